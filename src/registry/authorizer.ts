import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import { findBearer, parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import type { Identity } from './identity.ts';
import { tokenServerOf, type TokenRequest, type TokenServer, type TokenSource } from './token.ts';
import type { TransportAnswer } from './transport.ts';

/** One repository, asked for by one identity. */
export interface Access {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly identity: Identity;
  readonly signal: AbortSignal;
}

/** What a request carries to be let in. */
export interface Authorization {
  readonly token: string;
  /** Whether the registry asked for it just now; if it refuses it again, that is final. */
  readonly fresh: boolean;
}

export interface AuthorizerOptions {
  readonly tokens: TokenSource;
  readonly maxRegistries: number;
  readonly countCacheRequest: CountCacheRequest;
}

/**
 * Gets a request let in. No probe of `/v2/`: the registry's own 401 tells its token server, which is remembered
 * per registry, so that later repositories of it are asked for with a token at once.
 */
export class Authorizer {
  readonly #servers: BoundedCache<string, TokenServer>;
  readonly #tokens: TokenSource;
  readonly #countCacheRequest: CountCacheRequest;

  constructor({ tokens, maxRegistries, countCacheRequest }: AuthorizerOptions) {
    this.#tokens = tokens;
    this.#servers = new BoundedCache({ max: maxRegistries });
    this.#countCacheRequest = countCacheRequest;
  }

  get caches(): WatchedCaches {
    return { challenge: this.#servers };
  }

  /** What the first request should carry, from what this registry asked for before. */
  async anticipate(access: Access): Promise<Authorization | undefined> {
    const server = this.#servers.get(access.endpoint.registry);
    // A registry that never asked for a token is no miss: there may be nothing to know.
    if (server === undefined) return undefined;
    this.#countCacheRequest('challenge', 'hit');
    return { token: await this.#tokens.tokenFor(tokenRequest(access, server)), fresh: false };
  }

  /**
   * What to try after a 401 to a request that carried `refused`; undefined when that was all.
   * `'bare'` means: once more without a token, since Harbor answers a stale one with a Basic challenge only.
   */
  async reconsider(
    access: Access,
    answer: TransportAnswer,
    refused: Authorization | undefined,
  ): Promise<Authorization | 'bare' | undefined> {
    if (refused?.fresh) return undefined;
    const { registry, insecure } = access.endpoint;
    const known = this.#servers.get(registry);
    if (refused !== undefined && known !== undefined) {
      this.#tokens.forget(tokenRequest(access, known), refused.token);
    }
    const challenge = findBearer(parseChallenges(answer.headers['www-authenticate']));
    if (challenge === undefined) return refused === undefined ? undefined : 'bare';

    this.#countCacheRequest('challenge', 'miss');
    const server = tokenServerOf(challenge, registry, { insecure });
    const token = await this.#tokens.tokenFor(tokenRequest(access, server));
    this.#servers.set(registry, server);
    return { token, fresh: true };
  }
}

function tokenRequest({ endpoint, repository, identity, signal }: Access, server: TokenServer): TokenRequest {
  return { registry: endpoint.registry, server, repository, identity, transport: endpoint.transport, signal };
}
