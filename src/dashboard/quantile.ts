/** A histogram as Prometheus counts: each bucket holds all that is not above its bound. */
export interface HistogramCounts {
  readonly count: number;
  /** By rising bound. */
  readonly buckets: readonly { readonly upTo: number; readonly count: number }[];
}

/** What was observed between two looks at one histogram. */
export function observedBetween(earlier: HistogramCounts, later: HistogramCounts): HistogramCounts {
  const before = new Map(earlier.buckets.map(({ upTo, count }) => [upTo, count]));
  return {
    count: later.count - earlier.count,
    buckets: later.buckets.map(({ upTo, count }) => ({ upTo, count: count - (before.get(upTo) ?? 0) })),
  };
}

/**
 * The value that the share `q` of all observations is not above, as Prometheus' `histogram_quantile` tells it: in
 * proportion within its bucket, and the highest finite bound for what lies above it. Undefined where nothing was observed.
 */
export function quantile({ count, buckets }: HistogramCounts, q: number): number | undefined {
  if (count <= 0) return undefined;
  const rank = q * count;
  let lower = { upTo: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= rank && bucket.count > lower.count) {
      if (bucket.upTo === Infinity) return lower.upTo;
      const share = (rank - lower.count) / (bucket.count - lower.count);
      return lower.upTo + (bucket.upTo - lower.upTo) * share;
    }
    lower = bucket;
  }
  return undefined;
}
