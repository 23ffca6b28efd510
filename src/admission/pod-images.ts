import { isObject, type JsonObject } from '../json/json-object.ts';

/** One image field of a Pod. */
export interface PodImage {
  /** `container`: regular, init and sidecar; the others as they are called. */
  readonly type: 'container' | 'ephemeral' | 'volume';
  /** The container's name, or `volume/NAME`: unique in the Pod, and the key in our annotations. */
  readonly name: string;
  /** The image as written; empty where the field is missing, which Kubernetes itself reports. */
  readonly image: string;
  readonly pullPolicy: string | undefined;
  /** JSON pointers (RFC 6901) to the two fields. */
  readonly imagePath: string;
  readonly pullPolicyPath: string;
}

/** A Pod that is not built like one: answered with a denial, since Kubernetes never sends such a Pod. */
export class InvalidPodError extends Error {
  override readonly name = 'InvalidPodError';
  readonly code = 'invalid_pod';
}

/** More entries than an object of Kubernetes can hold (1.5 MiB); each costs memory. */
const MAX_ENTRIES = 20_000;

const CONTAINER_LISTS = [
  { field: 'initContainers', type: 'container' },
  { field: 'containers', type: 'container' },
  { field: 'ephemeralContainers', type: 'ephemeral' },
] as const;

/**
 * Every image field of a Pod: the one list of them. Volumes without an image source are passed over, null lists
 * are empty ones.
 * @throws {InvalidPodError} where a list or an image has the wrong type, or a list is too long.
 */
export function podImages(pod: JsonObject): PodImage[] {
  const spec = pod['spec'];
  if (!isObject(spec)) throw new InvalidPodError('spec is not an object');
  const images: PodImage[] = [];
  for (const { field, type } of CONTAINER_LISTS) {
    let index = 0;
    for (const container of list(spec, field)) {
      const path = `/spec/${field}/${index}`;
      index += 1;
      images.push({
        type,
        name: text(container, 'name', path) ?? '',
        image: text(container, 'image', path) ?? '',
        pullPolicy: text(container, 'imagePullPolicy', path),
        imagePath: `${path}/image`,
        pullPolicyPath: `${path}/imagePullPolicy`,
      });
    }
  }
  let index = 0;
  for (const volume of list(spec, 'volumes')) {
    const image = volumeImage(volume, index);
    index += 1;
    if (image !== undefined) images.push(image);
  }
  return images;
}

/**
 * What {@link podImages} reads, as it stands: of two Pods for which this is the same JSON the images are the same, and the errors.
 */
export function imageFields(spec: JsonObject): unknown {
  const lists: unknown[] = CONTAINER_LISTS.map(({ field }) =>
    each(spec[field], ({ name, image, imagePullPolicy }) => [
      toldApart(name),
      toldApart(image),
      toldApart(imagePullPolicy),
    ]),
  );
  const volumes = each(spec['volumes'], ({ name, image }) => {
    if (!isObject(image)) return [toldApart(image)];
    return [toldApart(name), toldApart(image['reference']), toldApart(image['pullPolicy'])];
  });
  return [lists, volumes];
}

/** What is no object becomes an object: so it is told from the list of an object's fields. */
function each(value: unknown, fieldsOf: (item: JsonObject) => unknown[]): unknown {
  if (!Array.isArray(value)) return toldApart(value);
  return value.map((item: unknown) => (isObject(item) ? fieldsOf(item) : { item }));
}

/** A number like 1e400 is read as infinite, and would be written as null. */
function toldApart(value: unknown): unknown {
  return typeof value === 'number' ? { number: String(value) } : value;
}

/** Image volumes (KEP-4639): `volumes[].image` with its own reference and pull policy. */
function volumeImage(volume: JsonObject, index: number): PodImage | undefined {
  const source = volume['image'] ?? undefined;
  if (source === undefined) return undefined;
  const path = `/spec/volumes/${index}`;
  if (!isObject(source)) throw new InvalidPodError(`${path}/image is not an object`);
  return {
    type: 'volume',
    name: `volume/${text(volume, 'name', path) ?? ''}`,
    image: text(source, 'reference', `${path}/image`) ?? '',
    pullPolicy: text(source, 'pullPolicy', `${path}/image`),
    imagePath: `${path}/image/reference`,
    pullPolicyPath: `${path}/image/pullPolicy`,
  };
}

function list(spec: JsonObject, field: string): readonly JsonObject[] {
  const value = spec[field] ?? [];
  if (Array.isArray(value) && value.length > MAX_ENTRIES)
    throw new InvalidPodError(`spec.${field} has more than ${MAX_ENTRIES} entries`);
  if (!isListOfObjects(value)) throw new InvalidPodError(`spec.${field} is not a list of objects`);
  return value;
}

function isListOfObjects(value: unknown): value is readonly JsonObject[] {
  if (!Array.isArray(value)) return false;
  // Not by `every`, which passes over holes.
  for (const item of value) if (!isObject(item)) return false;
  return true;
}

function text(fields: JsonObject, name: string, path: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string')
    throw new InvalidPodError(`${path}/${name} is not a string`);
  return value;
}
