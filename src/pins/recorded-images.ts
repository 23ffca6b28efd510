import { isObject, parseObject, type JsonObject } from '../json/json-object.ts';

/** The Pod annotation that keeps the original visible. */
export const IMAGES_ANNOTATION = 'samebytes.dev/images';

/** What one container's image was before, and the digest that it got. */
export interface RecordedImage {
  /** The reference exactly as it was written. */
  readonly reference: string;
  readonly digest: string;
}

/** By container name, or `volume/NAME`. */
export type RecordedImages = ReadonlyMap<string, RecordedImage>;

/** Kubernetes' limit on the size of all annotations of an object (apimachinery TotalAnnotationSizeLimitB). */
const MAX_ANNOTATIONS_BYTES = 256 * 1024;

/** The annotations of a Pod that are texts; an absent or odd map is an empty one. */
export function annotationsOf(pod: JsonObject): ReadonlyMap<string, string> {
  const metadata = pod['metadata'];
  const annotations = isObject(metadata) ? metadata['annotations'] : undefined;
  if (!isObject(annotations)) return new Map();
  return new Map(
    Object.entries(annotations).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** One annotation of a Pod; undefined where it is absent, or no text. */
export function annotationOf({ metadata }: JsonObject, name: string): string | undefined {
  const annotations = isObject(metadata) ? metadata['annotations'] : undefined;
  const value = isObject(annotations) && Object.hasOwn(annotations, name) ? annotations[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** Reads the annotation. Anyone may have written it: what is not of its form is passed over. */
export function readRecordedImages(pod: JsonObject): RecordedImages {
  const text = annotationOf(pod, IMAGES_ANNOTATION);
  if (text === undefined) return new Map();
  const value = parseObject(text) ?? {};
  return new Map(
    Object.entries(value).flatMap(([container, entry]): [string, RecordedImage][] => {
      if (!isObject(entry)) return [];
      const { reference, digest } = entry;
      if (typeof reference !== 'string' || typeof digest !== 'string') return [];
      return [[container, { reference, digest }]];
    }),
  );
}

/** The annotation's text. */
export function writeRecordedImages(images: RecordedImages): string {
  return JSON.stringify(Object.fromEntries(images));
}

/** Whether the Pod's annotations stay within Kubernetes' limit when ours gets this text. */
export function annotationFits(pod: JsonObject, text: string): boolean {
  let bytes = Buffer.byteLength(IMAGES_ANNOTATION) + Buffer.byteLength(text);
  for (const [name, value] of annotationsOf(pod)) {
    if (name !== IMAGES_ANNOTATION) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  return bytes <= MAX_ANNOTATIONS_BYTES;
}
