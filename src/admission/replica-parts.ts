import { isObject, type JsonObject } from '../json/json-object.ts';
import { hasImageTexts, imageTexts, type ImageTexts } from './pod-images.ts';
import { watchedName } from './recreation-guard.ts';

/** All that a decision about a new Pod reads of it. Everything here is flat, so that comparing it is. */
export interface ReplicaParts {
  readonly labels: Flat;
  readonly annotations: Flat;
  readonly ownerReferences: readonly Flat[];
  readonly pullSecrets: readonly Flat[];
  readonly images: ImageTexts;
  /** Of the name only whether it is one that the recreation guard watches. */
  readonly isWatched: boolean;
  /** What all of it takes, as estimated. */
  readonly bytes: number;
}

/** An object with nothing in it that can be looked into, or none. */
type Flat = Readonly<Record<string, string | boolean | null>> | undefined | null;

/** Those of a Pod of a hundred containers; others are decided about each time. */
const MAX_CHARACTERS = 16_000;
const MAX_ENTRIES = 4_000;
/** A text has two bytes a character at most. */
const BYTES_PER_CHARACTER = 2;
/** What a text takes without its characters, and the place where it stands. */
const BYTES_PER_ENTRY = 96;

/** Undefined where something is not built like a Pod, or larger than is worth keeping. */
export function partsOf(pod: JsonObject | undefined): ReplicaParts | undefined {
  if (pod === undefined) return undefined;
  const { labels, annotations, ownerReferences, pullSecrets } = fieldsOf(pod);
  const [owners, secrets] = [listOf(ownerReferences), listOf(pullSecrets)];
  const images = imageTexts(pod);
  if (!isFlat(labels) || !isFlat(annotations) || !owners?.every(isFlat) || !secrets?.every(isFlat))
    return undefined;
  if (images === undefined) return undefined;
  const bytes = bytesOf([labels, annotations, ...owners, ...secrets], images);
  if (bytes === undefined) return undefined;
  const isWatched = watchedName(pod) !== '';
  return { labels, annotations, ownerReferences: owners, pullSecrets: secrets, images, isWatched, bytes };
}

/** What these take, as estimated; undefined where it is more than is worth keeping. */
function bytesOf(objects: readonly Flat[], images: ImageTexts): number | undefined {
  let entries = objects.length + images.length;
  let characters = charactersOf(images);
  for (const flat of objects) {
    if (entries > MAX_ENTRIES || characters > MAX_CHARACTERS) break;
    const names = Object.keys(flat ?? {});
    const values = Object.values(flat ?? {});
    entries += names.length + values.length;
    characters += charactersOf(names) + charactersOf(values);
  }
  if (entries > MAX_ENTRIES || characters > MAX_CHARACTERS) return undefined;
  return entries * BYTES_PER_ENTRY + characters * BYTES_PER_CHARACTER;
}

function charactersOf(texts: readonly unknown[]): number {
  let characters = 0;
  for (const text of texts) if (typeof text === 'string') characters += text.length;
  return characters;
}

/** Whether a decision about the Pod with these parts is one about this Pod. */
export function isLikePod(pod: JsonObject | undefined, parts: ReplicaParts): boolean {
  if (pod === undefined) return false;
  const { labels, annotations, ownerReferences, pullSecrets } = fieldsOf(pod);
  return (
    isSame(labels, parts.labels) &&
    isSame(annotations, parts.annotations) &&
    areSame(ownerReferences, parts.ownerReferences) &&
    areSame(pullSecrets, parts.pullSecrets) &&
    (watchedName(pod) !== '') === parts.isWatched &&
    hasImageTexts(pod, parts.images)
  );
}

/** Not looked into: what is there may be anything. */
function fieldsOf({
  metadata,
  spec,
}: JsonObject): Record<'labels' | 'annotations' | 'ownerReferences' | 'pullSecrets', unknown> {
  const { labels, annotations, ownerReferences } = isObject(metadata) ? metadata : {};
  const pullSecrets = isObject(spec) ? spec['imagePullSecrets'] : undefined;
  return { labels, annotations, ownerReferences, pullSecrets };
}

/** A list that is not there is an empty one; undefined for what is none. */
function listOf(value: unknown): readonly unknown[] | undefined {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? (value as unknown[]) : undefined;
}

function isFlat(value: unknown): value is Flat {
  if (value === undefined || value === null) return true;
  return isObject(value) && Object.values(value).every(isPlain);
}

/** Not numbers: 1e400 and 1e500 would be the same. */
function isPlain(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

function areSame(value: unknown, others: readonly Flat[]): boolean {
  const list = listOf(value);
  if (list?.length !== others.length) return false;
  for (let index = 0; index < others.length; index += 1) {
    if (!isSame(list[index], others[index])) return false;
  }
  return true;
}

/** With the same fields in the same order, as Pods of one revision have them. */
function isSame(value: unknown, flat: Flat): boolean {
  if (flat === undefined || flat === null) return value === flat;
  if (!isObject(value)) return false;
  const names = Object.keys(value);
  const others = Object.keys(flat);
  if (names.length !== others.length) return false;
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] ?? '';
    if (name !== others[index] || value[name] !== flat[name]) return false;
  }
  return true;
}
