import type { Cache, CacheResult, CountCacheRequest } from '../../src/telemetry/cache-result.ts';

/** Counts looks into caches, for a test to read. */
export class CacheCounts {
  readonly #counts = new Map<string, number>();

  readonly count: CountCacheRequest = (cache, result) => {
    const key = `${cache} ${result}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  };

  of(cache: Cache, result: CacheResult): number {
    return this.#counts.get(`${cache} ${result}`) ?? 0;
  }
}
