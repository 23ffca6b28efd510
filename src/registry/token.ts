import { SharedFlights } from '../flight/shared-flights.ts';
import { parseObject } from '../json/json-object.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import type { Challenge } from './challenge.ts';
import { errorForStatus, RegistryError } from './errors.ts';
import type { Identity } from './identity.ts';
import type { Transport, TransportAnswer } from './transport.ts';

/** What a registry's Bearer challenge told about its token server. The scope is never taken from it. */
export interface TokenServer {
  readonly realm: URL;
  readonly service: string | undefined;
}

export interface TokenRequest {
  /** The registry's host, as it was contacted. */
  readonly registry: string;
  readonly server: TokenServer;
  /** The repository's path in the registry: one per token, since some servers read only the first scope. */
  readonly repository: string;
  readonly identity: Identity;
  readonly transport: Transport;
  readonly signal: AbortSignal;
}

export interface TokenSourceOptions {
  readonly maxTokens: number;
  readonly countCacheRequest: CountCacheRequest;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const MAX_TOKEN_BODY_BYTES = 128 * 1024;
const MAX_TOKEN_LENGTH = 16 * 1024;
const MIN_LIFE_SECONDS = 60;
const MAX_LIFE_SECONDS = 3600;
/** What may stand in an Authorization header: anything else could not be a token, or would split the header. */
const HEADER_SAFE = /^[\x21-\x7e]+$/;

/** Bearer tokens by the GET flow of distribution's token specification, kept until shortly before they expire. */
export class TokenSource {
  readonly #tokens: BoundedCache<string, string>;
  readonly #flights = new SharedFlights<string>();
  readonly #countCacheRequest: CountCacheRequest;

  constructor({ maxTokens, countCacheRequest, now }: TokenSourceOptions) {
    this.#tokens = new BoundedCache({ max: maxTokens, ttlResolution: 0, perf: { now } });
    this.#countCacheRequest = countCacheRequest;
  }

  get caches(): WatchedCaches {
    return { token: this.#tokens };
  }

  /**
   * A token to pull from the repository: a kept one, or a new one from the token server.
   * @throws {RegistryError} in the class of what went wrong at the token server.
   */
  async tokenFor(request: TokenRequest): Promise<string> {
    const key = cacheKey(request);
    const kept = this.#tokens.get(key);
    if (kept !== undefined) {
      this.#countCacheRequest('token', 'hit');
      return kept;
    }
    return this.#flights.join(
      key,
      (signal) => this.#fetch(key, { ...request, signal }),
      request.signal,
      (boarding) => this.#countCacheRequest('token', boarding === 'started' ? 'miss' : 'coalesced'),
    );
  }

  /** Drops a token that the registry no longer takes, unless another has taken its place already. */
  forget(request: TokenRequest, token: string): void {
    const key = cacheKey(request);
    if (this.#tokens.peek(key) === token) this.#tokens.delete(key);
  }

  async #fetch(key: string, request: TokenRequest): Promise<string> {
    const url = new URL(request.server.realm);
    if (request.server.service !== undefined) url.searchParams.set('service', request.server.service);
    url.searchParams.set('scope', `repository:${request.repository}:pull`);
    // Redirects of a token call are not followed: one could lead the answer, or us, anywhere.
    const answer = await request.transport.send({
      method: 'GET',
      url,
      headers: { accept: 'application/json' },
      maxBodyBytes: MAX_TOKEN_BODY_BYTES,
      signal: request.signal,
    });
    const { token, lifeSeconds } = readToken(answer, request.registry);
    const skewSeconds = Math.min(30, lifeSeconds * 0.1);
    this.#tokens.set(key, token, { ttl: (lifeSeconds - skewSeconds) * 1000 });
    return token;
  }
}

/**
 * The token server that a challenge names, under the realm rule: https (http only where the registry itself is
 * spoken to in http), no user information, no fragment. The registry chooses the realm, so this is what keeps a
 * hostile one from sending us where it likes; the transport checks the address.
 * @throws {RegistryError} `invalid_answer` for any other realm.
 */
export function tokenServerOf(
  challenge: Challenge,
  registry: string,
  { insecure }: { insecure: boolean },
): TokenServer {
  const text = challenge.parameters.get('realm') ?? '';
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  const schemes = insecure ? ['https:', 'http:'] : ['https:'];
  const plain = realm?.username === '' && realm.password === '' && realm.hash === '';
  if (realm === undefined || !schemes.includes(realm.protocol) || !plain) {
    throw new RegistryError('invalid_answer', `${registry} names a token server that may not be used`, {
      registry,
    });
  }
  return { realm, service: challenge.parameters.get('service') };
}

function cacheKey({ registry, server, repository, identity }: TokenRequest): string {
  return JSON.stringify([registry, server.realm.href, server.service, repository, identity.fingerprint]);
}

function readToken(answer: TransportAnswer, registry: string): { token: string; lifeSeconds: number } {
  const details = { registry, status: answer.status };
  if (answer.status !== 200) throw errorForStatus(answer.status, 'the token request', details);
  const fields = parseObject(answer.body.toString('utf8')) ?? {};
  // Some servers fill the one, some the other, some both with the same.
  const token = fields['token'] || fields['access_token'];
  if (typeof token !== 'string' || token.length > MAX_TOKEN_LENGTH || !HEADER_SAFE.test(token)) {
    throw new RegistryError('invalid_answer', 'the token server gave no usable token', details);
  }
  const expiresIn = Number(fields['expires_in'] ?? 0);
  const lifeSeconds = Math.min(
    Math.max(Number.isFinite(expiresIn) ? expiresIn : 0, MIN_LIFE_SECONDS),
    MAX_LIFE_SECONDS,
  );
  return { token, lifeSeconds };
}
