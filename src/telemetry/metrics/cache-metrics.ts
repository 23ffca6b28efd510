import { Counter, Gauge, type Registry } from 'prom-client';
import type { BoundedCacheState, WatchedCaches } from '../bounded-cache.ts';
import { CACHE_RESULTS, CACHES, type CountCacheRequest } from '../cache-result.ts';

/** How caches are used, and how full they are. */
export class CacheMetrics {
  readonly #requests: Counter<'cache' | 'result'>;
  readonly #watched = new Map<string, BoundedCacheState>();

  constructor(registry: Registry) {
    const watched = this.#watched;
    this.#requests = new Counter({
      name: 'samebytes_cache_requests_total',
      help: 'Looks into a cache (pin, tag, challenge, token, credentials), by result (hit, miss, coalesced, stale, negative).',
      labelNames: ['cache', 'result'],
      registers: [registry],
    });
    for (const cache of CACHES) for (const result of CACHE_RESULTS) this.#requests.inc({ cache, result }, 0);
    registry.registerMetric(
      new Gauge({
        name: 'samebytes_cache_entries',
        help: 'Entries in a bounded cache; ones past their time count until they are looked at.',
        labelNames: ['cache'],
        registers: [],
        collect() {
          for (const [cache, { size }] of watched) this.set({ cache }, size);
        },
      }),
    );
    registry.registerMetric(
      new Gauge({
        name: 'samebytes_cache_max_entries',
        help: 'The most entries that a bounded cache keeps.',
        labelNames: ['cache'],
        registers: [],
        collect() {
          for (const [cache, { max }] of watched) this.set({ cache }, max);
        },
      }),
    );
    registry.registerMetric(
      new Counter({
        name: 'samebytes_cache_evictions_total',
        help: 'Entries that a bounded cache dropped for want of room.',
        labelNames: ['cache'],
        registers: [],
        collect() {
          this.reset();
          for (const [cache, { evictions }] of watched) this.inc({ cache }, evictions);
        },
      }),
    );
  }

  readonly countRequest: CountCacheRequest = (cache, result) => {
    this.#requests.inc({ cache, result });
  };

  /** From now on these caches are looked at whenever metrics are asked for. */
  watch(caches: WatchedCaches): void {
    for (const [name, cache] of Object.entries(caches)) this.#watched.set(name, cache);
  }
}
