import { isManifestDigest } from '../image/digest.ts';
import { normalizedName, parseReference } from '../image/reference.ts';
import { isObject, type JsonObject } from '../json/json-object.ts';
import { pinName, type ImagePin, type PinnedImage } from '../pins/image-pin.ts';
import type { Revision } from '../pins/revision.ts';
import type { ListedPin } from '../pins/tag-history.ts';

/** The ImagePin's place in the API; a test holds it equal to manifests/base. */
export const IMAGE_PINS = { group: 'samebytes.dev', version: 'v1alpha1', plural: 'imagepins' } as const;

/** An ImagePin as the API server gave it. */
export interface ReadPin {
  readonly pin: ImagePin;
  readonly resourceVersion: string;
  /** What is wrong with entries that are not used: somebody wrote them by hand. */
  readonly problems: readonly string[];
}

/** The object that creates a revision's pin. It goes when the revision goes: garbage collection is Kubernetes' own. */
export function pinObject(revision: Revision, images: readonly PinnedImage[]): JsonObject {
  const { apiVersion, kind, name, uid, hash, namespace } = revision;
  return {
    apiVersion: `${IMAGE_PINS.group}/${IMAGE_PINS.version}`,
    kind: 'ImagePin',
    metadata: {
      name: pinName(revision),
      namespace,
      ownerReferences: [{ apiVersion, kind, name, uid }],
    },
    spec: {
      revision: { apiVersion, kind, name, uid, ...(hash === undefined ? {} : { hash }) },
      images,
    },
  };
}

/**
 * Reads what the API server keeps as a revision's pin. The schema refuses most nonsense; what gets past it is left out
 * and named in `problems`. Undefined where the object is not this revision's.
 */
export function readPinObject(object: unknown, revision: Revision): ReadPin | undefined {
  if (!isObject(object) || !isObject(object['metadata']) || !isObject(object['spec'])) return undefined;
  const { uid, resourceVersion } = object['metadata'];
  const { revision: stated, images } = object['spec'];
  if (typeof uid !== 'string' || typeof resourceVersion !== 'string') return undefined;
  if (!isObject(stated) || stated['uid'] !== revision.uid) return undefined;
  const problems: string[] = [];
  const usable = (Array.isArray(images) ? images : []).flatMap((entry): PinnedImage[] => {
    const image = readImage(entry);
    if (image === undefined) problems.push(JSON.stringify(entry).slice(0, 200));
    return image === undefined ? [] : [image];
  });
  return { pin: { revision, images: usable, id: uid }, resourceVersion, problems };
}

/** Reads an item of a list of ImagePins; undefined where somebody wrote it otherwise than we do. */
export function readListedPin(object: unknown): ListedPin | undefined {
  const spec = isObject(object) ? object['spec'] : undefined;
  const stated = isObject(spec) ? spec['revision'] : undefined;
  if (!isObject(spec) || !isObject(stated)) return undefined;
  const { apiVersion, kind, name, uid } = stated;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return undefined;
  if (typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const images = (Array.isArray(spec['images']) ? spec['images'] : []).flatMap(
    (image) => readImage(image) ?? [],
  );
  return { revision: { apiVersion, kind, name, uid }, images };
}

function readImage(entry: unknown): PinnedImage | undefined {
  if (!isObject(entry)) return undefined;
  const { reference, digest, resolvedAt, source } = entry;
  if (typeof reference !== 'string' || typeof digest !== 'string' || !isManifestDigest(digest))
    return undefined;
  if (!isNormalized(reference)) return undefined;
  return {
    reference,
    digest,
    resolvedAt: typeof resolvedAt === 'string' ? resolvedAt : '',
    source: source === 'adopted' ? 'adopted' : 'resolved',
  };
}

function isNormalized(reference: string): boolean {
  try {
    const parsed = parseReference(reference);
    return parsed.digest === undefined && normalizedName(parsed) === reference;
  } catch {
    return false;
  }
}
