import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { RegistryError, type RegistryErrorCode } from './errors.ts';

/** One question, as far as breakers tell questions apart. */
export interface Question {
  readonly registry: string;
  readonly repository: string;
  /** Fingerprint of the credential that asks, or `anonymous`. */
  readonly who: string;
}

export interface BreakersOptions {
  /** How many breakers are kept; only those of registries that fail take a place. */
  readonly maxBreakers: number;
  readonly onBreaker: (registry: string, change: 1 | -1) => void;
  readonly onDeniedFast: (registry: string) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Failures in a row that open a breaker. */
const MAX_FAILURES = 3;
/** How long it stays open before one question is let through to see whether the registry is back. */
const OPEN_MS = 5_000;
/** After so long without an admission that asks, whoever gives way to admissions may ask. */
const LEFT_ALONE_MS = 5 * 60_000;
/** The wait after a 429 that names none, and the longest that a registry may impose on us. */
const THROTTLED_MS = 5_000;
const MAX_THROTTLED_MS = 5 * 60_000;
/** A question given up by whoever asked, after so long without an answer, is as good as timed out. */
const TIMED_OUT_MS = 1_000;

type Kind = 'outage' | 'repository' | 'throttle';

/**
 * Denies in no time what a failing registry would take seconds to not answer: a slow denial holds up a controller's
 * workers, and so namespaces that never opted in. Three kinds, so that nobody closes a registry for others:
 * - `outage`, per registry: time-outs, broken connections and 5xx in a row, met with more than one repository;
 * - `repository`, per repository: the same, met with this one alone (a proxied upstream that is down);
 * - `throttle`, per registry and credential, since registries count requests per account: at the first 429, for as long
 *   as it asks.
 * A 401 or 404 opens none. An open breaker lets one question through after its time; that one decides.
 */
export class Breakers {
  readonly #options: BreakersOptions;
  readonly #breakers: BoundedCache<string, Breaker>;

  constructor(options: BreakersOptions) {
    this.#options = options;
    this.#breakers = new BoundedCache({
      max: options.maxBreakers,
      dispose: (breaker) => breaker.isOpen && options.onBreaker(breaker.registry, -1),
    });
  }

  get caches(): WatchedCaches {
    return { breaker: this.#breakers };
  }

  /** Breakers that remember a failure. */
  get size(): number {
    return this.#breakers.size;
  }

  /**
   * Does the work, unless a breaker is open for it.
   * @throws {RegistryError} `unreachable` or `throttled`, with `asked: false`, where one is; else what the work throws.
   */
  async guard<T>(question: Question, work: () => Promise<T>): Promise<T> {
    const probed = this.#enter(question);
    const startedAtMs = this.#options.now();
    try {
      const value = await work();
      this.#answered(question);
      return value;
    } catch (error) {
      for (const breaker of probed) breaker.release();
      this.#note(question, error, this.#options.now() - startedAtMs);
      throw error;
    }
  }

  /**
   * Does the work, unless a breaker is open for it, whether or not its time is up: the one question that is let through
   * then belongs to an admission. Where no admission has come for a good while, the registry would never be asked again:
   * then it may be, and a breaker closes if it answers. A failure is noted nowhere, so it closes no registry to anybody.
   * @throws {RegistryError} with `asked: false` where a breaker is open; else what the work throws.
   */
  async giveWay<T>(question: Question, work: () => Promise<T>): Promise<T> {
    const { registry } = question;
    const longAgoMs = this.#options.now() - LEFT_ALONE_MS;
    const open = this.#openFor(question);
    const refusing = open.find((breaker) => breaker.refuses(longAgoMs));
    if (refusing === undefined) {
      const value = await work();
      if (open.length > 0) this.#answered(question);
      return value;
    }
    throw new RegistryError(refusing.code, `${registry} is not asked: it failed lately`, {
      registry,
      asked: false,
    });
  }

  /** The open breakers whose time is up, of which this question finds out whether the registry is back. */
  #enter(question: Question): Breaker[] {
    const { registry } = question;
    const nowMs = this.#options.now();
    const open = this.#openFor(question);
    const refusing = open.find((breaker) => breaker.refuses(nowMs));
    if (refusing !== undefined) {
      this.#options.onDeniedFast(registry);
      throw new RegistryError(refusing.code, `${registry} is not asked: it failed a moment ago`, {
        registry,
        retryAfterMs: Math.max(0, refusing.untilMs - nowMs),
        asked: false,
      });
    }
    for (const breaker of open) breaker.probe();
    return open;
  }

  #openFor(question: Question): Breaker[] {
    return Object.values(keysOf(question))
      .map((key) => this.#breakers.get(key))
      .filter((breaker) => breaker !== undefined)
      .filter(({ isOpen }) => isOpen);
  }

  #answered(question: Question): void {
    for (const key of Object.values(keysOf(question))) this.#breakers.delete(key);
  }

  #note(question: Question, error: unknown, tookMs: number): void {
    const { registry } = question;
    const { outage, repository, throttle } = keysOf(question);
    if (!(error instanceof RegistryError)) {
      // Whoever asked has left. A question given up early says nothing.
      if (tookMs < TIMED_OUT_MS) return;
    } else if (!error.asked) return;
    else if (error.code === 'throttled') {
      // It answers, so it is there.
      this.#breakers.delete(outage);
      this.#breakers.delete(repository);
      const waitMs = Math.min(error.retryAfterMs ?? THROTTLED_MS, MAX_THROTTLED_MS);
      return this.#open(this.#breaker(throttle, registry, 'throttled'), waitMs);
    } else if (error.code !== 'unreachable') return this.#answered(question);
    this.#fail(outage, question, { minRepositories: 2 });
    this.#fail(repository, question, { minRepositories: 1 });
  }

  #fail(key: string, question: Question, { minRepositories }: { minRepositories: number }): void {
    const breaker = this.#breaker(key, question.registry, 'unreachable');
    breaker.countFailure(question.repository);
    const isEnough = breaker.failures >= MAX_FAILURES && breaker.repositories >= minRepositories;
    if (breaker.isOpen || isEnough) this.#open(breaker, OPEN_MS);
  }

  #open(breaker: Breaker, forMs: number): void {
    if (!breaker.isOpen) this.#options.onBreaker(breaker.registry, 1);
    breaker.open(this.#options.now() + forMs);
  }

  #breaker(key: string, registry: string, code: RegistryErrorCode): Breaker {
    const kept = this.#breakers.get(key);
    if (kept !== undefined) return kept;
    const breaker = new Breaker(registry, code);
    this.#breakers.set(key, breaker);
    return breaker;
  }
}

/** One breaker that remembers a failure; a breaker without any needs no object. */
class Breaker {
  readonly registry: string;
  /** What it answers with while it is open. */
  readonly code: RegistryErrorCode;
  readonly #repositories = new Set<string>();
  #failures = 0;
  #untilMs: number | undefined;
  /** One question is under way to see whether the registry is back. */
  #probing = false;

  constructor(registry: string, code: RegistryErrorCode) {
    this.registry = registry;
    this.code = code;
  }

  get isOpen(): boolean {
    return this.#untilMs !== undefined;
  }

  get untilMs(): number {
    return this.#untilMs ?? 0;
  }

  get failures(): number {
    return this.#failures;
  }

  get repositories(): number {
    return this.#repositories.size;
  }

  refuses(nowMs: number): boolean {
    return this.#untilMs !== undefined && (nowMs < this.#untilMs || this.#probing);
  }

  probe(): void {
    this.#probing = true;
  }

  /** The question that was to find out has ended. */
  release(): void {
    this.#probing = false;
  }

  countFailure(repository: string): void {
    this.#failures += 1;
    // Two are enough to know that it is not one repository alone.
    if (this.#repositories.size < 2) this.#repositories.add(repository);
  }

  open(untilMs: number): void {
    this.#untilMs = untilMs;
    this.#probing = false;
  }
}

function keysOf({ registry, repository, who }: Question): Record<Kind, string> {
  return {
    outage: registry,
    repository: `${registry} repository ${repository}`,
    throttle: `${registry} who ${who}`,
  };
}
