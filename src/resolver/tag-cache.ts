import { PackedCache } from '../packed/packed-cache.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';

/** What a tag meant, and when the request that said so was started. */
export interface TagAnswer {
  readonly digest: string;
  /** On the cache's clock. */
  readonly askedAtMs: number;
}

export interface TagCacheOptions {
  /** How many tags are kept; the least recently used goes first. */
  readonly maxTags: number;
  /** How many failures are kept. */
  readonly maxFailures: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/**
 * What registries said lately. Answers have no expiry of their own, since how old an answer may be depends on who
 * asks: a birth, a `follow` Pod or an immutable tag. Failures expire by themselves.
 */
export class TagCache {
  /** Key, digest and time of each. */
  readonly #answers: PackedCache;
  readonly #failures: BoundedCache<string, Error>;
  readonly #now: () => number;

  constructor({ maxTags, maxFailures, now }: TagCacheOptions) {
    this.#answers = new PackedCache({ max: maxTags, headTexts: 1 });
    this.#failures = new BoundedCache({ max: maxFailures, ttlResolution: 0, perf: { now } });
    this.#now = now;
  }

  get caches(): WatchedCaches {
    return { tag: this.#answers, tag_failure: this.#failures };
  }

  /** The last answer for `key` that is at most `maxAgeMs` old, counted from when it was asked for. */
  answer(key: string, maxAgeMs: number): TagAnswer | undefined {
    const answer = this.#last(key);
    return answer !== undefined && this.ageMs(answer) <= maxAgeMs ? answer : undefined;
  }

  /** Keeps an answer, unless a later request has answered already. */
  keep(key: string, { digest, askedAtMs }: TagAnswer): void {
    const kept = this.#last(key);
    if (kept === undefined || kept.askedAtMs <= askedAtMs)
      this.#answers.set(key, [key, digest, String(askedAtMs)]);
  }

  /** How old an answer is, in milliseconds since its request was started. */
  ageMs(answer: TagAnswer): number {
    return this.#now() - answer.askedAtMs;
  }

  /** The failure remembered under `key`, while its time lasts. */
  failure(key: string): Error | undefined {
    return this.#failures.get(key);
  }

  keepFailure(key: string, failure: Error, ttlMs: number): void {
    if (ttlMs > 0) this.#failures.set(key, failure, { ttl: ttlMs });
  }

  #last(key: string): TagAnswer | undefined {
    const [, digest, askedAtMs] = this.#answers.get(key, ([kept]) => kept === key) ?? [];
    return digest === undefined ? undefined : { digest, askedAtMs: Number(askedAtMs) };
  }
}
