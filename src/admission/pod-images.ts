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

/** After each list, and after each volume. No Pod has it: what is null there is read as not there. */
const END = null;

/** The texts that {@link podImages} read of a Pod, in their order: of two Pods with the same ones the images are the same. */
export type ImageTexts = readonly (string | undefined | typeof END)[];

/** Undefined where something is not built like a Pod, or where there are more than `max`. */
export function imageTexts(pod: JsonObject, max: number): ImageTexts | undefined {
  const texts: (string | undefined | typeof END)[] = [];
  const isRead = everyText(pod, (value) => {
    const isText = value === undefined || value === END || typeof value === 'string';
    if (isText) texts.push(value);
    return isText && texts.length <= max;
  });
  return isRead ? texts : undefined;
}

/** Whether these are the texts of this Pod, and all of them. Nothing is made of it: this is asked for each replica. */
export function hasImageTexts(pod: JsonObject, texts: ImageTexts): boolean {
  let read = 0;
  return everyText(pod, (value) => read < texts.length && texts[read++] === value) && read === texts.length;
}

/**
 * Visits all that {@link podImages} reads, for as long as the visitor agrees, and what is missing as undefined. Three to a container,
 * and then {@link END}: no two Pods with other images are visited alike.
 */
function everyText(pod: JsonObject, visit: (value: unknown) => boolean): boolean {
  const { spec } = pod;
  if (!isObject(spec)) return false;
  for (const { field } of CONTAINER_LISTS) {
    const containers = entriesOf(spec[field]);
    if (containers === undefined) return false;
    for (const container of containers) {
      if (!isObject(container)) return false;
      const { name, image, imagePullPolicy } = container;
      if (!visit(name ?? undefined) || !visit(image ?? undefined) || !visit(imagePullPolicy ?? undefined))
        return false;
    }
    if (!visit(END)) return false;
  }
  const volumes = entriesOf(spec['volumes']);
  if (volumes === undefined) return false;
  for (const volume of volumes) {
    if (!isObject(volume)) return false;
    const source = volume['image'] ?? undefined;
    if (source !== undefined) {
      if (!isObject(source)) return false;
      const { reference, pullPolicy } = source;
      if (!visit(volume['name'] ?? undefined) || !visit(reference ?? undefined)) return false;
      if (!visit(pullPolicy ?? undefined)) return false;
    }
    if (!visit(END)) return false;
  }
  return true;
}

const NO_ENTRIES: readonly unknown[] = [];

/** A list of a Pod, of which one that is not there is empty; undefined for what is no list. */
export function entriesOf(value: unknown): readonly unknown[] | undefined {
  if (value === undefined || value === null) return NO_ENTRIES;
  return Array.isArray(value) ? (value as unknown[]) : undefined;
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
