import { isObject, type JsonObject } from '../json/json-object.ts';
import {
  annotationFits,
  annotationsOf,
  IMAGES_ANNOTATION,
  writeRecordedImages,
  type RecordedImages,
} from './images-annotation.ts';
import type { PatchOperation } from './outcome.ts';

/** One reference token of a JSON pointer (RFC 6901 §3). */
export function escapePointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The operations that set our annotation, also on a Pod without any; none where it says so already or is too large. */
export function annotationPatch(pod: JsonObject, images: RecordedImages): readonly PatchOperation[] {
  if (images.size === 0) return [];
  const value = writeRecordedImages(images);
  if (annotationsOf(pod).get(IMAGES_ANNOTATION) === value || !annotationFits(pod, value)) return [];
  const metadata = pod['metadata'];
  if (!isObject(metadata)) {
    return [{ op: 'add', path: '/metadata', value: { annotations: { [IMAGES_ANNOTATION]: value } } }];
  }
  if (!isObject(metadata['annotations'])) {
    return [{ op: 'add', path: '/metadata/annotations', value: { [IMAGES_ANNOTATION]: value } }];
  }
  return [{ op: 'add', path: `/metadata/annotations/${escapePointer(IMAGES_ANNOTATION)}`, value }];
}
