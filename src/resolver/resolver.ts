import { FreshFlights } from '../flight/fresh-flights.ts';
import { Gate, GateError } from '../flight/gate.ts';
import { normalizedName, type ImageReference } from '../image/reference.ts';
import { RegistryError } from '../registry/errors.ts';
import type { Identity } from '../registry/identity.ts';
import type { CacheResult, CountCacheRequest } from '../telemetry/cache-result.ts';
import type { WatchedCaches } from '../telemetry/bounded-cache.ts';
import { limitOf, type WatchedLimits } from '../telemetry/limits.ts';
import { waitingFor, type Waits } from '../telemetry/waits.ts';
import { TagCache } from './tag-cache.ts';

/** Asks a registry what a tag points at now; the registry client in the product. */
export interface TagSource {
  resolveTag(
    reference: ImageReference,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<{ readonly digest: string }>;
}

/** What a tag means, and whether a registry was asked for this very answer. */
export interface Resolution {
  readonly digest: string;
  readonly source: 'registry' | 'cache';
}

export interface ResolveRequest {
  readonly reference: ImageReference;
  readonly identity: Identity;
  /** The revision that asks; failures are remembered for it alone, and not at all without one. */
  readonly revision: string | undefined;
  readonly signal: AbortSignal;
  /** Told how long was waited for the registry. */
  readonly waits?: Waits | undefined;
}

export interface ResolverOptions {
  readonly source: TagSource;
  readonly maxTags: number;
  /** How old an answer may be that pins a revision; 0 keeps the freshness rule exactly. */
  readonly freshnessMs: number;
  /** How old an answer may be for `follow`; past half of it, it is refreshed in the background. */
  readonly followTtlMs: number;
  /** How old an answer may be for `follow` while the registry is unreachable or throttles. */
  readonly staleIfErrorMs: number;
  /** Whether the operator declares this tag as one that never moves. */
  readonly isImmutable: (reference: ImageReference) => boolean;
  readonly countCacheRequest: CountCacheRequest;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const NOT_FOUND_TTL_MS = 10_000;
const DENIED_TTL_MS = 15_000;
const MAX_THROTTLED_TTL_MS = 60_000;
/** Long enough for a slow registry, short enough that a refresh nobody waits for cannot pile up. */
const REFRESH_TIMEOUT_MS = 5_000;
/** So many tags are asked for at once, whoever shares an answer with whom: each takes some 8 KiB while it is under way. */
const MAX_ASKED = 8_192;
/** As many as there can be decisions. */
const MAX_WAITING = 100_000;

/** Resolves tags to digests; knows how old an answer may be for whom, and asks as little as that allows. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #cache: TagCache;
  readonly #flights = new FreshFlights<string>();
  readonly #asked = new Gate({ capacity: MAX_ASKED, maxWaiting: MAX_WAITING });

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#cache = new TagCache({ maxTags: options.maxTags, maxFailures: options.maxTags, now: options.now });
  }

  get caches(): WatchedCaches {
    return this.#cache.caches;
  }

  get limits(): WatchedLimits {
    return { tags_asked: limitOf(() => this.#asked.inside, MAX_ASKED) };
  }

  /**
   * Does work that asks for so many tags, once there is room for them: of Pods that want thousands, a few at a time get it.
   * @throws what the work throws, or the signal's reason where there was no room in time.
   */
  async withRoom<T>(tags: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await this.#room(tags, signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /**
   * The digest to pin a revision to: from a registry request that starts after this call (the freshness rule), or
   * from the cache where the operator allows it: immutable tags, `freshnessMs`.
   * @throws {RegistryError} or the signal's reason.
   */
  async fresh(request: ResolveRequest): Promise<Resolution> {
    const key = cacheKey(request);
    const maxAgeMs = this.#options.isImmutable(request.reference) ? Infinity : this.#options.freshnessMs;
    const kept = maxAgeMs > 0 ? this.#cache.answer(key, maxAgeMs) : undefined;
    if (kept !== undefined) return this.#fromCache(kept.digest, 'hit');
    this.#throwRemembered(request);
    return this.#ask(request);
  }

  /**
   * The digest for a Pod under policy `follow`: from the cache up to its time, refreshed in the background; when
   * the registry is unreachable or throttles, an older one; else from the registry.
   * @throws {RegistryError} or the signal's reason.
   */
  async follow(request: ResolveRequest): Promise<Resolution> {
    const { followTtlMs, staleIfErrorMs, isImmutable } = this.#options;
    const key = cacheKey(request);
    const immutable = isImmutable(request.reference);
    const kept = this.#cache.answer(key, immutable ? Infinity : followTtlMs);
    if (kept !== undefined) {
      if (!immutable && this.#cache.ageMs(kept) > followTtlMs / 2) this.#refresh(request);
      return this.#fromCache(kept.digest, 'hit');
    }
    this.#throwRemembered(request);
    const running = this.#flights.running(key);
    try {
      if (running === undefined) return await this.#ask(request);
      this.#count('coalesced');
      const digest = await waitingFor('registry', request.waits, running.join(request.signal));
      return { digest, source: 'registry' };
    } catch (error) {
      const stale = this.#cache.answer(key, staleIfErrorMs);
      if (stale === undefined || !isOutage(error, request.signal)) throw error;
      return this.#fromCache(stale.digest, 'stale');
    }
  }

  async #room(tags: number, signal: AbortSignal): Promise<() => void> {
    try {
      return this.#asked.enterNow(tags) ?? (await this.#asked.enter(tags, signal));
    } catch (error) {
      if (error instanceof GateError) signal.throwIfAborted();
      throw error;
    }
  }

  async #ask(request: ResolveRequest): Promise<Resolution> {
    const work = (signal: AbortSignal): Promise<string> => this.#fly({ ...request, signal });
    const onBoard = (boarding: 'started' | 'joined'): void =>
      this.#count(boarding === 'started' ? 'miss' : 'coalesced');
    try {
      const flight = this.#flights.join(cacheKey(request), work, request.signal, onBoard);
      const digest = await waitingFor('registry', request.waits, flight);
      return { digest, source: 'registry' };
    } catch (error) {
      this.#remember(request, error);
      throw error;
    }
  }

  async #fly(request: ResolveRequest): Promise<string> {
    const askedAtMs = this.#options.now();
    const { digest } = await this.#options.source.resolveTag(
      request.reference,
      request.identity,
      request.signal,
    );
    this.#cache.keep(cacheKey(request), { digest, askedAtMs });
    return digest;
  }

  #refresh(request: ResolveRequest): void {
    const key = cacheKey(request);
    if (this.#flights.running(key) !== undefined) return;
    const refresh = { ...request, signal: AbortSignal.timeout(REFRESH_TIMEOUT_MS) };
    // Whoever asked has an answer already; if this fails, the next one past the time finds out.
    this.#flights.join(key, (signal) => this.#fly({ ...refresh, signal }), refresh.signal).catch(() => {});
  }

  #remember(request: ResolveRequest, error: unknown): void {
    if (request.revision === undefined || !(error instanceof RegistryError)) return;
    this.#cache.keepFailure(failureKey(request, request.revision), error, failureTtlMs(error));
  }

  #throwRemembered(request: ResolveRequest): void {
    if (request.revision === undefined) return;
    const failure = this.#cache.failure(failureKey(request, request.revision));
    if (failure === undefined) return;
    this.#count('negative');
    throw failure;
  }

  #fromCache(digest: string, result: 'hit' | 'stale'): Resolution {
    this.#count(result);
    return { digest, source: 'cache' };
  }

  #count(result: CacheResult): void {
    this.#options.countCacheRequest('tag', result);
  }
}

function cacheKey({ reference, identity }: ResolveRequest): string {
  return `${normalizedName(reference)} ${identity.fingerprint}`;
}

function failureKey(request: ResolveRequest, revision: string): string {
  return `${cacheKey(request)} ${revision}`;
}

/** How long a failure may answer for its revision. An outage is not remembered: it may be over any moment. */
function failureTtlMs({ code, retryAfterMs }: RegistryError): number {
  if (code === 'not_found') return NOT_FOUND_TTL_MS;
  if (code === 'denied' || code === 'policy') return DENIED_TTL_MS;
  if (code === 'throttled') return Math.min(retryAfterMs ?? 0, MAX_THROTTLED_TTL_MS);
  return 0;
}

/** Whether an older answer is better than this failure: never after a registry's word on the image itself. */
function isOutage(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || (error instanceof RegistryError && error.retryable);
}
