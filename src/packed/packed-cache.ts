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
    const bytes = this.bytes(name, isMeant);
    return bytes && unpackTexts(bytes);
  }

  /** The entry as it is kept: other texts, other bytes. */
  bytes(name: string, isMeant: IsMeant): Buffer | undefined {
    return this.#read(this.#places.get(this.#hash(name)), isMeant);
  }

  /** Says whether it is kept: what is larger than all entries may be together is not. */
  set(name: string, texts: readonly string[]): boolean {
    const { maxBytes } = this.#options;
    const hash = this.#hash(name);
    const bytes = packTexts(texts);
    const place = this.#blocks.write(bytes);
    this.#places.set(hash, place, maxBytes === undefined ? {} : { size: bytes.length });
    if (this.#places.peek(hash) === place) return true;
    this.#blocks.free(place);
    return false;
  }

  /** Returns what was kept. */
  delete(name: string, isMeant: IsMeant): string[] | undefined {
    const hash = this.#hash(name);
    const bytes = this.#read(this.#places.peek(hash), isMeant);
    if (bytes !== undefined) this.#places.delete(hash);
    return bytes && unpackTexts(bytes);
  }

  clear(): void {
    this.#places.clear();
    this.#blocks = new Blocks();
  }

  #read(place: Place | undefined, isMeant: IsMeant): Buffer | undefined {
    if (place === undefined) return undefined;
    const bytes = this.#blocks.read(place);
    return isMeant(unpackTexts(bytes, this.#options.headTexts)) ? bytes : undefined;
  }
}
