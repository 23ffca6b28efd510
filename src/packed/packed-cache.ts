import { BoundedCache, type BoundedCacheState } from '../telemetry/bounded-cache.ts';
import { Blocks, type Place } from './blocks.ts';
import { hashOf } from './hash.ts';
import { packTexts, unpackTexts } from './texts.ts';

export interface PackedCacheOptions {
  readonly max: number;
  /** How many bytes all entries may have together; without, their number is the limit. */
  readonly maxBytes?: number;
  /** So many texts at the beginning of an entry tell which one it is. */
  readonly headTexts: number;
  /** Replaced by tests. */
  readonly hash?: (text: string) => number;
}

/** One entry as it was set: what is set later, under whatever name, is another one. */
export interface EntryMark {
  readonly hash: number;
  /** Counts what was set; comes again after four thousand million times. */
  readonly count: number;
}

/** Whether this is the entry that is looked for, by its first texts. */
export type IsMeant = (head: readonly string[]) => boolean;

/**
 * A bounded cache of texts outside of V8's heap, where an entry takes a third of what it takes inside. The least recently
 * used goes first. Entries are found by a hash of their name, which is not kept: whoever asks says which one is meant. Of
 * two with the same hash, which is rare, the later stays.
 */
export class PackedCache implements BoundedCacheState {
  readonly #options: PackedCacheOptions;
  /** By the hash of the name. */
  readonly #places: BoundedCache<number, Place>;
  readonly #hash: (text: string) => number;
  #blocks = new Blocks();
  #count = 0;

  constructor(options: PackedCacheOptions) {
    const { max, maxBytes } = options;
    this.#options = options;
    this.#hash = options.hash ?? hashOf;
    this.#places = new BoundedCache({
      max,
      ...(maxBytes === undefined ? {} : { maxSize: maxBytes }),
      dispose: (place) => this.#blocks.free(place),
    });
  }

  get size(): number {
    return this.#places.size;
  }

  get max(): number {
    return this.#options.max;
  }

  get evictions(): number {
    return this.#places.evictions;
  }

  get(name: string, isMeant: IsMeant): string[] | undefined {
    return this.#read(this.#places.get(this.#hash(name)), isMeant);
  }

  /** What tells the entry from all that is set later. Counts as use. */
  mark(name: string, isMeant: IsMeant): EntryMark | undefined {
    const hash = this.#hash(name);
    const place = this.#places.get(hash);
    if (place === undefined) return undefined;
    if (!isMeant(unpackTexts(this.#blocks.read(place), this.#options.headTexts))) return undefined;
    return { hash, count: this.#blocks.numberOf(place) };
  }

  /** Whether the entry with this mark is kept still. Counts as use; reads nothing of it. */
  holds({ hash, count }: EntryMark): boolean {
    const place = this.#places.get(hash);
    return place !== undefined && this.#blocks.numberOf(place) === count;
  }

  /** Says whether it is kept: what is larger than all entries may be together is not. */
  set(name: string, texts: readonly string[]): boolean {
    const { maxBytes } = this.#options;
    const hash = this.#hash(name);
    const bytes = packTexts(texts);
    this.#count = (this.#count + 1) >>> 0;
    const place = this.#blocks.write(bytes, this.#count);
    this.#places.set(hash, place, maxBytes === undefined ? {} : { size: bytes.length });
    if (this.#places.peek(hash) === place) return true;
    this.#blocks.free(place);
    return false;
  }

  /** Returns what was kept. */
  delete(name: string, isMeant: IsMeant): string[] | undefined {
    const hash = this.#hash(name);
    const texts = this.#read(this.#places.peek(hash), isMeant);
    if (texts !== undefined) this.#places.delete(hash);
    return texts;
  }

  clear(): void {
    this.#places.clear();
    this.#blocks = new Blocks();
  }

  #read(place: Place | undefined, isMeant: IsMeant): string[] | undefined {
    if (place === undefined) return undefined;
    const texts = unpackTexts(this.#blocks.read(place));
    return isMeant(texts.slice(0, this.#options.headTexts)) ? texts : undefined;
  }
}
