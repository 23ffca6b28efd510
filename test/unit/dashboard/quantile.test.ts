import { describe, expect, test } from '@jest/globals';
import { observedBetween, quantile, type HistogramCounts } from '../../../src/dashboard/quantile.ts';

/** Cumulative, as Prometheus counts: `[upper bound, how many are not above it]`. */
function histogram(...buckets: readonly (readonly [number, number])[]): HistogramCounts {
  return {
    count: buckets.at(-1)?.[1] ?? 0,
    buckets: buckets.map(([upTo, count]) => ({ upTo, count })),
  };
}

describe('a quantile', () => {
  // Expected values are those of Prometheus' histogram_quantile over the same buckets.
  test.each([
    ['the middle of a bucket that holds all', 0.5, histogram([1, 10], [Infinity, 10]), 0.5],
    ['in proportion within the second bucket', 0.75, histogram([1, 5], [2, 10], [Infinity, 10]), 1.5],
    ['the bound where the rank is met exactly', 0.5, histogram([1, 5], [2, 10], [Infinity, 10]), 1],
    ['past empty buckets', 0.99, histogram([1, 0], [2, 0], [4, 100], [Infinity, 100]), 3.98],
    ['the highest finite bound for what lies above it', 0.99, histogram([1, 1], [5, 2], [Infinity, 10]), 5],
  ])('is %s', (_what, q, counts, expected) => {
    expect(quantile(counts, q)).toBeCloseTo(expected, 10);
  });

  test('of nothing is unknown', () => {
    expect(quantile(histogram(), 0.5)).toBeUndefined();
    expect(quantile(histogram([1, 0], [Infinity, 0]), 0.5)).toBeUndefined();
  });
});

test('what was observed between two looks is the difference, bucket by bucket', () => {
  const earlier = histogram([1, 3], [2, 4], [Infinity, 5]);
  const later = histogram([1, 3], [2, 10], [Infinity, 12]);
  expect(observedBetween(earlier, later)).toEqual(histogram([1, 0], [2, 6], [Infinity, 7]));
  expect(observedBetween(histogram(), later)).toEqual(later);
});
