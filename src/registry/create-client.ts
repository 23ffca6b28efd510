import type { LookupFunction } from 'node:net';
import type { WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import type { WatchedLimits } from '../telemetry/limits.ts';
import type { RegistryEvents } from '../telemetry/registry-events.ts';
import { Attempts } from './attempts.ts';
import { Authorizer } from './authorizer.ts';
import { Breakers } from './breaker.ts';
import { RegistryClient } from './client.ts';
import { Endpoints, type RegistryOptions } from './endpoint.ts';
import { ManifestExchange } from './exchange.ts';
import { PullQuotas } from './rate-limit.ts';
import type { RetryOptions } from './retry.ts';
import { TokenSource } from './token.ts';

export interface ClientOptions {
  /** What is special about some registries. */
  readonly registries: readonly RegistryOptions[];
  readonly userAgent: string;
  /** What one question may take in all, in milliseconds. */
  readonly deadlineMs: number;
  readonly countCacheRequest: CountCacheRequest;
  readonly events: RegistryEvents;
  readonly retry: RetryOptions;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** How names are looked up; the system's own way where absent. */
  readonly lookup?: LookupFunction;
}

/** A client, what it keeps and limits; `close` frees its connections. */
export interface CreatedClient {
  readonly client: RegistryClient;
  readonly caches: WatchedCaches;
  readonly limits: WatchedLimits;
  readonly close: () => Promise<void>;
}

// Pods' authors choose the hosts and repositories, so all that is remembered of them is bounded.
const MAX_REGISTRIES = 1_000;
const MAX_REPOSITORIES = 10_000;

/** A registry client, and the caches of all that it remembers. `close` frees its connections. */
export function createClient({
  countCacheRequest,
  events,
  retry,
  now,
  deadlineMs,
  ...connecting
}: ClientOptions): CreatedClient {
  const { onNotice, onBreaker, onDeniedFast } = events;
  const endpoints = new Endpoints(connecting);
  const tokens = new TokenSource({ maxTokens: MAX_REPOSITORIES, countCacheRequest, retry, now });
  const authorizer = new Authorizer({ tokens, maxRegistries: MAX_REGISTRIES, countCacheRequest, onNotice });
  const quotas = new PullQuotas({ maxQuotas: MAX_REGISTRIES, now });
  const breakers = new Breakers({ maxBreakers: MAX_REPOSITORIES, onBreaker, onDeniedFast, now });
  const attempts = new Attempts({ breakers, maxRemembered: MAX_REPOSITORIES, onNotice });
  const client = new RegistryClient({
    endpoints,
    attempts,
    exchange: new ManifestExchange({ authorizer, quotas, retry, events, now }),
    quotas,
    maxRegistries: MAX_REGISTRIES,
    deadlineMs,
    onNotice,
  });
  const remembering = [endpoints, tokens, authorizer, quotas, breakers, attempts, client];
  const caches = remembering.reduce<WatchedCaches>((all, part) => ({ ...all, ...part.caches }), {});
  return { client, caches, limits: endpoints.limits, close: () => endpoints.close() };
}
