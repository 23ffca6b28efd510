import { BoundedCache, type BoundedCacheState } from '../telemetry/bounded-cache.ts';
import { Blocks, type Place } from './blocks.ts';
import { hashOf } from './hash.ts';
import { packTexts, unpackTexts } from './texts.ts';

export interface PackedCacheOptions {
  readonly max: number;
  /** How many bytes all entries may have together; without, their number is the limit. */
  readonly maxBytes?: number;
  /** So many texts at the beginning of an entry tell its key and its id. */
  readonly headTexts: number;
  /** The key of an entry, from those: it needs no room of its own. */
  readonly keyOf: (head: readonly string[]) => string;
  /** Another name of an entry, from those, for {@link PackedCache.deleteById}. Of two entries with one id the later stays. */
  readonly idOf?: (head: readonly string[]) => string;
  /** Replaced by tests. */
  readonly hash?: (text: string) => number;
}

/**
 * A bounded cache of texts outside of V8's heap, where an entry takes a third of what it takes inside. The least recently
 * used goes first. Entries are found by hashes of key and id, and compared then: of two with the same hash, which is rare,
 * the later stays.
 */
export class PackedCache implements BoundedCacheState {
  readonly #options: PackedCacheOptions;
  /** By the hash of the key. */
  readonly #places: BoundedCache<number, Place>;
  /** Hashes of keys by hashes of ids: for every entry that is kept, where entries have ids. */
  readonly #byId = new Map<number, number>();
  readonly #hash: (text: string) => number;
  #blocks = new Blocks();

  constructor(options: PackedCacheOptions) {
    const { max, maxBytes } = options;
    this.#options = options;
    this.#hash = options.hash ?? hashOf;
    this.#places = new BoundedCache({
      max,
      ...(maxBytes === undefined ? {} : { maxSize: maxBytes }),
      dispose: (place, hash) => this.#gone(place, hash),
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

  get(key: string): string[] | undefined {
    const bytes = this.bytes(key);
    return bytes && unpackTexts(bytes);
  }

  /** The entry as it is kept: other texts, other bytes. */
  bytes(key: string): Buffer | undefined {
    return this.#read(this.#places.get(this.#hash(key)), this.#options.keyOf, key);
  }

  /** Says whether it is kept: what is larger than all entries may be together is not. */
  set(texts: readonly string[]): boolean {
    const { keyOf, idOf, maxBytes } = this.#options;
    const hash = this.#hash(keyOf(texts));
    const idHash = idOf && this.#hash(idOf(texts));
    // Whatever is kept must be found by its id.
    const sameId = idHash === undefined ? undefined : this.#byId.get(idHash);
    if (sameId !== undefined) this.#places.delete(sameId);
    const bytes = packTexts(texts);
    const place = this.#blocks.write(bytes);
    this.#places.set(hash, place, maxBytes === undefined ? {} : { size: bytes.length });
    if (this.#places.peek(hash) !== place) {
      this.#blocks.free(place);
      return false;
    }
    if (idHash !== undefined) this.#byId.set(idHash, hash);
    return true;
  }

  /** Returns what was kept. */
  deleteById(id: string): string[] | undefined {
    const hash = this.#byId.get(this.#hash(id));
    const { idOf } = this.#options;
    if (hash === undefined || idOf === undefined) return undefined;
    const bytes = this.#read(this.#places.peek(hash), idOf, id);
    if (bytes !== undefined) this.#places.delete(hash);
    return bytes && unpackTexts(bytes);
  }

  clear(): void {
    this.#places.clear();
    this.#blocks = new Blocks();
  }

  /** What is there, if it has this name and not only its hash. */
  #read(
    place: Place | undefined,
    nameOf: (head: readonly string[]) => string,
    name: string,
  ): Buffer | undefined {
    if (place === undefined) return undefined;
    const bytes = this.#blocks.read(place);
    return nameOf(unpackTexts(bytes, this.#options.headTexts)) === name ? bytes : undefined;
  }

  #gone(place: Place, hash: number): void {
    const { idOf, headTexts } = this.#options;
    if (idOf !== undefined) {
      const idHash = this.#hash(idOf(unpackTexts(this.#blocks.read(place), headTexts)));
      if (this.#byId.get(idHash) === hash) this.#byId.delete(idHash);
    }
    this.#blocks.free(place);
  }
}
