import { SharedFlights } from '../flight/shared-flights.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import type { Endpoint } from './endpoint.ts';
import { basicHeader, whoIs, type Credential } from './identity.ts';
import type { TokenServer } from './realm.ts';
import { sendWithRetry, type RetryOptions } from './retry.ts';
import { readToken } from './token-answer.ts';
import type { TransportAnswer, TransportRequest } from './transport.ts';

export interface TokenRequest {
  readonly endpoint: Endpoint;
  readonly server: TokenServer;
  /** One repository per token, since some servers read only the first scope. */
  readonly scope: string;
  /** Undefined for an anonymous token. */
  readonly credential: Credential | undefined;
  readonly signal: AbortSignal;
}

export interface TokenSourceOptions {
  readonly maxTokens: number;
  readonly countCacheRequest: CountCacheRequest;
  readonly retry: RetryOptions;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const MAX_TOKEN_BODY_BYTES = 128 * 1024;
const MAX_CACHE_CHARACTERS = 16 * 1024 * 1024;
const CLIENT_ID = 'samebytes';
/**
 * Answers to a POST after which the GET flow is tried, as containerd does (core/remotes/docker/authorizer.go): Google's
 * servers have no POST (404), Azure's may answer 400, Artifactory's 401.
 */
const NO_POST: ReadonlySet<number> = new Set([400, 401, 404]);

/** Bearer tokens by distribution's token specification, kept until shortly before they expire. */
export class TokenSource {
  readonly #tokens: BoundedCache<string, string>;
  readonly #flights = new SharedFlights<string>();
  readonly #options: TokenSourceOptions;

  constructor(options: TokenSourceOptions) {
    this.#tokens = new BoundedCache({
      max: options.maxTokens,
      // A hostile registry may fill each of them to the limit.
      maxSize: MAX_CACHE_CHARACTERS,
      sizeCalculation: (token, key) => token.length + key.length,
      ttlResolution: 0,
      perf: { now: options.now },
    });
    this.#options = options;
  }

  get caches(): WatchedCaches {
    return { token: this.#tokens };
  }

  /**
   * A token for the scope: a kept one, or a new one from the token server; at most one request per token at a time.
   * Says which, since a kept one that is refused may have gone stale.
   * @throws {RegistryError} in the class of what went wrong at the token server.
   */
  async tokenFor(request: TokenRequest): Promise<{ token: string; isKept: boolean }> {
    const { countCacheRequest } = this.#options;
    const key = cacheKey(request);
    const kept = this.#tokens.get(key);
    if (kept !== undefined) {
      countCacheRequest('token', 'hit');
      return { token: kept, isKept: true };
    }
    const token = await this.#flights.join(
      key,
      (signal) => this.#fetch(key, { ...request, signal }),
      request.signal,
      (boarding) => countCacheRequest('token', boarding === 'started' ? 'miss' : 'coalesced'),
    );
    return { token, isKept: false };
  }

  /** Drops a token that the registry no longer takes, unless another has taken its place already. */
  forget(request: TokenRequest, token: string): void {
    const key = cacheKey(request);
    if (this.#tokens.peek(key) === token) this.#tokens.delete(key);
  }

  async #fetch(key: string, request: TokenRequest): Promise<string> {
    const answer = await this.#ask(request);
    const { text, lifeMs } = readToken(answer, request.endpoint.registry);
    this.#tokens.set(key, text, { ttl: lifeMs });
    return text;
  }

  async #ask(request: TokenRequest): Promise<TransportAnswer> {
    const { credential } = request;
    if (credential?.kind === 'identity_token') {
      const answer = await this.#send(byPost(request, credential));
      // A server that takes no POST may still take the token as a password, with the user name that came with it.
      const { username } = credential.reveal();
      if (!NO_POST.has(answer.status) && !(answer.status === 405 && username !== '')) return answer;
    }
    return this.#send(byGet(request));
  }

  async #send({ endpoint, ...request }: TransportRequest & { endpoint: Endpoint }): Promise<TransportAnswer> {
    return sendWithRetry(() => endpoint.transport.send(request), request.signal, this.#options.retry);
  }
}

// Redirects of a token call are not followed: one could lead the answer, the credentials or us anywhere.

function byGet({ endpoint, server, scope, credential, signal }: TokenRequest): SentTokenRequest {
  const url = new URL(server.realm);
  if (server.service !== undefined) url.searchParams.set('service', server.service);
  url.searchParams.set('scope', scope);
  const authorization = credential === undefined ? {} : { authorization: basicHeader(credential) };
  const headers = { accept: 'application/json', ...authorization };
  return { endpoint, method: 'GET', url, headers, maxBodyBytes: MAX_TOKEN_BODY_BYTES, signal };
}

function byPost({ endpoint, server, scope, signal }: TokenRequest, credential: Credential): SentTokenRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: CLIENT_ID,
    scope,
    refresh_token: credential.reveal().secret,
  });
  if (server.service !== undefined) form.set('service', server.service);
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  return {
    endpoint,
    method: 'POST',
    url: server.realm,
    headers,
    body: form.toString(),
    maxBodyBytes: MAX_TOKEN_BODY_BYTES,
    signal,
  };
}

type SentTokenRequest = TransportRequest & { readonly endpoint: Endpoint };

function cacheKey({ endpoint, server, scope, credential }: TokenRequest): string {
  const { registry, insecure } = endpoint;
  return JSON.stringify([registry, insecure, server.realm.href, server.service, scope, whoIs(credential)]);
}
