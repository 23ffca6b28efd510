import { isObject, type JsonObject } from '../json/json-object.ts';
import { entriesOf, hasImageTexts, imageTexts, type ImageTexts } from './pod-images.ts';
import { watchedName } from './recreation-guard.ts';

/**
 * All that a decision about a new Pod reads of it, as texts alone: an object that was read from JSON has room for each field that was
 * written, also where one name was written a thousand times.
 */
export interface ReplicaParts {
  readonly labels: FlatTexts;
  readonly annotations: FlatTexts;
  readonly ownerReferences: readonly FlatTexts[];
  readonly pullSecrets: readonly FlatTexts[];
  readonly images: ImageTexts;
  /** Of the name only whether it is one that the recreation guard watches. */
  readonly isWatched: boolean;
  /** What all of it takes, as estimated. */
  readonly bytes: number;
}

/** Names and values in turn, of an object with nothing in it that can be looked into; or none. */
type FlatTexts = readonly Plain[] | undefined | null;
/** Not numbers: 1e400 and 1e500 would be the same. */
type Plain = string | boolean | null;

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
  const fields = fieldsOf(pod);
  const [owners, secrets] = [entriesOf(fields.ownerReferences), entriesOf(fields.pullSecrets)];
  if (owners === undefined || secrets === undefined) return undefined;
  if (owners.length + secrets.length > MAX_ENTRIES) return undefined;
  const images = imageTexts(pod, MAX_ENTRIES);
  if (images === undefined) return undefined;
  const weight = new Weight();
  if (!weight.add(images)) return undefined;
  const flat = [fields.labels, fields.annotations, ...owners, ...secrets].map((value) =>
    flatTexts(value, weight),
  );
  if (!areFlat(flat)) return undefined;
  const [labels, annotations, ...others] = flat;
  return {
    labels,
    annotations,
    ownerReferences: others.slice(0, owners.length),
    pullSecrets: others.slice(owners.length),
    images,
    isWatched: watchedName(pod) !== '',
    bytes: weight.bytes,
  };
}

/** Counts what is kept, for as long as it is worth that. */
class Weight {
  #entries = 0;
  #characters = 0;

  get bytes(): number {
    return this.#entries * BYTES_PER_ENTRY + this.#characters * BYTES_PER_CHARACTER;
  }

  /** Whether there is room for these, and for the list of them. */
  add(texts: readonly unknown[]): boolean {
    this.#entries += 1 + texts.length;
    if (this.#entries > MAX_ENTRIES) return false;
    for (const text of texts) if (typeof text === 'string') this.#characters += text.length;
    return this.#characters <= MAX_CHARACTERS;
  }
}

const NOT_FLAT = Symbol('not flat, or too much');

function flatTexts(value: unknown, weight: Weight): FlatTexts | typeof NOT_FLAT {
  if (value === undefined || value === null) return weight.add([]) ? value : NOT_FLAT;
  if (!isObject(value)) return NOT_FLAT;
  const names = Object.keys(value);
  if (names.length > MAX_ENTRIES) return NOT_FLAT;
  const texts = names.flatMap((name) => [name, value[name]]);
  return texts.every(isPlain) && weight.add(texts) ? texts : NOT_FLAT;
}

function areFlat(all: (FlatTexts | typeof NOT_FLAT)[]): all is FlatTexts[] {
  return !all.includes(NOT_FLAT);
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

function isPlain(value: unknown): value is Plain {
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

function areSame(value: unknown, others: readonly FlatTexts[]): boolean {
  const list = entriesOf(value);
  if (list?.length !== others.length) return false;
  for (let index = 0; index < others.length; index += 1) {
    if (!isSame(list[index], others[index])) return false;
  }
  return true;
}

/** With the same fields in the same order, as Pods of one revision have them. */
function isSame(value: unknown, texts: FlatTexts): boolean {
  if (texts === undefined || texts === null) return value === texts;
  if (!isObject(value)) return false;
  const names = Object.keys(value);
  if (names.length * 2 !== texts.length) return false;
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] ?? '';
    if (name !== texts[index * 2] || value[name] !== texts[index * 2 + 1]) return false;
  }
  return true;
}
