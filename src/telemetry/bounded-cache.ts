import { LRUCache } from 'lru-cache';

/** The bounded caches of a process: the label `cache` of the metrics of entries, limits and evictions. */
export const BOUNDED_CACHES = [
  'reference',
  'decision',
  'pin',
  'pin_tombstone',
  'memory_pin',
  'controller_revision',
  'tag',
  'tag_failure',
  'tag_move',
  'served_digest',
  'served_lately',
  'challenge',
  'token',
  'credentials',
  'working_credential',
  'without_head',
  'breaker',
  'pull_quota',
  'origin',
  'notice',
  'recreation',
  'event',
  'event_similar',
  'event_budget',
  'event_problem',
  'workload',
  'tag_history',
] as const;
export type BoundedCacheName = (typeof BOUNDED_CACHES)[number];

/** How full a bounded cache is, and what it had to drop. */
export interface BoundedCacheState {
  /** Entries that are kept; ones past their time count until they are looked at. */
  readonly size: number;
  /** The most that it keeps. */
  readonly max: number;
  /** Entries that were dropped for want of room. */
  readonly evictions: number;
}

/** Caches by name, to be looked at when metrics are asked for. */
export type WatchedCaches = Readonly<Partial<Record<BoundedCacheName, BoundedCacheState>>>;

type Options<K extends {}, V extends {}> = LRUCache.OptionsMaxLimit<K, V, unknown>;

/** From so many entries on room is taken as they come, where sizes are no limit: most large caches hold few. */
const LARGE = 1_000;

/** An LRUCache that counts what it drops for want of room; every cache in samebytes is one. */
export class BoundedCache<K extends {}, V extends {}> extends LRUCache<K, V> implements BoundedCacheState {
  readonly #dropped: { count: number };
  readonly #max: number;

  constructor(options: Options<K, V>) {
    const { dispose } = options;
    const dropped = { count: 0 };
    super({
      ...withoutRoom(options),
      dispose: (value, key, reason) => {
        if (reason === 'evict') dropped.count += 1;
        dispose?.(value, key, reason);
      },
    });
    this.#dropped = dropped;
    this.#max = options.max;
  }

  override get max(): number {
    return this.#max;
  }

  get evictions(): number {
    return this.#dropped.count;
  }
}

/** The same limit as one of size, for which no room is taken beforehand: each entry has the size 1. */
function withoutRoom<K extends {}, V extends {}>(options: Options<K, V>): LRUCache.Options<K, V, unknown> {
  const { max, ...others } = options;
  if (max < LARGE || others.maxSize !== undefined) return options;
  return { ...others, maxSize: max, sizeCalculation: () => 1 };
}

/** Several caches of one kind, looked at as one. */
export function sumOf(caches: readonly BoundedCacheState[]): BoundedCacheState {
  const total = (of: (cache: BoundedCacheState) => number): number =>
    caches.reduce((sum, cache) => sum + of(cache), 0);
  return {
    get size() {
      return total(({ size }) => size);
    },
    get max() {
      return total(({ max }) => max);
    },
    get evictions() {
      return total(({ evictions }) => evictions);
    },
  };
}
