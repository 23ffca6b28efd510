import { isObject, type JsonObject } from '../json/json-object.ts';
import { annotationOf } from '../pins/recorded-images.ts';
import type { PatchOperation } from './outcome.ts';

/** One reference token of a JSON pointer (RFC 6901 §3). */
export function escapePointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Annotations to write, by name; `undefined` takes one away. */
export type AnnotationChanges = Readonly<Record<string, string | undefined>>;

/** The operations that make these changes, also on a Pod without annotations; none for what is so already. */
export function annotationPatch(pod: JsonObject, changes: AnnotationChanges): readonly PatchOperation[] {
  const wanted = Object.entries(changes).filter(([name, value]) => annotationOf(pod, name) !== value);
  if (wanted.length === 0) return [];
  const metadata = pod['metadata'];
  const added = Object.fromEntries(wanted.filter(([, value]) => value !== undefined));
  if (!isObject(metadata)) return [{ op: 'add', path: '/metadata', value: { annotations: added } }];
  if (!isObject(metadata['annotations'])) {
    return [{ op: 'add', path: '/metadata/annotations', value: added }];
  }
  return wanted.map(([name, value]) => {
    const path = `/metadata/annotations/${escapePointer(name)}`;
    return value === undefined ? { op: 'remove', path } : { op: 'add', path, value };
  });
}
