import { NO_NUMBERS, type Numbers } from './numbers.ts';
import { observedBetween, quantile } from './quantile.ts';
import type { Point } from './state.ts';

export interface HistoryOptions {
  /** How many points are kept. */
  readonly maxPoints: number;
  /** How many points back the window of each one reaches. */
  readonly windowPoints: number;
}

/** What the last minutes were like: bounded rings of numbers and of what they came to. */
export class History {
  readonly #options: HistoryOptions;
  readonly #numbers: Numbers[] = [NO_NUMBERS];
  readonly #points: Point[] = [];

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** Adds the point of this moment. Returns the numbers that its window begins with. */
  add(numbers: Numbers, atMs: number): Numbers {
    const { maxPoints, windowPoints } = this.#options;
    const earlier = this.#numbers[0] ?? NO_NUMBERS;
    // The clock may have been set back: charts need times that rise.
    while ((this.#points.at(-1)?.atMs ?? -Infinity) >= atMs) this.#points.pop();
    this.#points.push(pointOf(earlier, numbers, atMs));
    if (this.#points.length > maxPoints) this.#points.shift();
    this.#numbers.push(numbers);
    if (this.#numbers.length > windowPoints) this.#numbers.shift();
    return earlier;
  }

  /** The points after the one of `atMs`; all where that one is not kept. */
  after(atMs: number): readonly Point[] {
    return this.#points.slice(this.#points.findLastIndex((point) => point.atMs === atMs) + 1);
  }
}

function pointOf(earlier: Numbers, later: Numbers, atMs: number): Point {
  const admissions = increases(earlier.admissions, later.admissions);
  const observed = observedBetween(earlier.admissionSeconds, later.admissionSeconds);
  const [p50, p99] = [quantile(observed, 0.5), quantile(observed, 0.99)];
  return {
    atMs,
    hitRatios: Object.fromEntries(
      [...later.caches].flatMap(([cache, results]) => {
        const increase = increases(earlier.caches.get(cache) ?? new Map(), results);
        const looks = [...increase.values()].reduce((sum, count) => sum + count, 0);
        return looks === 0 ? [] : [[cache, 1 - (increase.get('miss') ?? 0) / looks]];
      }),
    ),
    admissions: Object.fromEntries(admissions),
    ...(p50 === undefined || p99 === undefined ? {} : { latencyMs: { p50: p50 * 1000, p99: p99 * 1000 } }),
  };
}

function increases(
  earlier: ReadonlyMap<string, number>,
  later: ReadonlyMap<string, number>,
): Map<string, number> {
  return new Map(
    [...later]
      .map(([name, count]): [string, number] => [name, count - (earlier.get(name) ?? 0)])
      .filter(([, increase]) => increase > 0),
  );
}
