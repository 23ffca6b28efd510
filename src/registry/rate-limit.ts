import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';

/**
 * How many pulls a registry says are left: Docker Hub's `ratelimit-remaining: 20;w=21600`, on every manifest answer;
 * undefined where it says nothing (then this image or user is not limited).
 */
export function pullsRemaining(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const [, count] = /^\s*(\d{1,9})\s*(?:;|$)/.exec(header) ?? [];
  return count === undefined ? undefined : Number(count);
}

/** A GET counts as a pull, a HEAD does not. With so few pulls left, they are kept for the nodes. */
export const PULLS_FLOOR = 10;

/** After this time without a word a GET is tried again: a registry without HEAD says what is left on GETs alone. */
const QUOTA_TTL_MS = 10 * 60_000;

/** What is left of the pulls, per registry and whoever asks. */
export class PullQuotas {
  readonly #remaining: BoundedCache<string, number>;

  constructor({ maxQuotas, now }: { maxQuotas: number; now: () => number }) {
    this.#remaining = new BoundedCache({
      max: maxQuotas,
      ttl: QUOTA_TTL_MS,
      ttlResolution: 0,
      perf: { now },
    });
  }

  get caches(): WatchedCaches {
    return { pull_quota: this.#remaining };
  }

  /** Notes what an answer says; one that says nothing ends the limit. */
  note(registry: string, who: string, remaining: number | undefined): void {
    if (remaining === undefined) this.#remaining.delete(`${registry} ${who}`);
    else this.#remaining.set(`${registry} ${who}`, remaining);
  }

  /** Whether so few pulls are left that none may be spent. */
  isLow(registry: string, who: string): boolean {
    return (this.#remaining.get(`${registry} ${who}`) ?? Infinity) < PULLS_FLOOR;
  }
}
