/** The caches whose use is counted. */
export const CACHES = ['pin', 'tag', 'challenge', 'token', 'credentials'] as const;
export type Cache = (typeof CACHES)[number];

/**
 * What one look into a cache came to:
 * - `hit`: answered from the cache;
 * - `miss`: asked for anew, by this caller;
 * - `coalesced`: asked for anew, by another caller whose answer this one shares;
 * - `stale`: answered from the cache past its time, since asking anew failed;
 * - `negative`: a remembered failure.
 */
export const CACHE_RESULTS = ['hit', 'miss', 'coalesced', 'stale', 'negative'] as const;
export type CacheResult = (typeof CACHE_RESULTS)[number];

/** Counts one look into a cache. */
export type CountCacheRequest = (cache: Cache, result: CacheResult) => void;
