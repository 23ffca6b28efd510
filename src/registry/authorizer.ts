import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import type { RegistryEvents } from '../telemetry/registry-events.ts';
import { asksForBasic, findBearer, parseChallenges, type Challenge } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { RegistryError } from './errors.ts';
import { basicHeader, type Credential } from './identity.ts';
import { tokenServerOf, type TokenServer } from './realm.ts';
import { pullScope, scopeFor } from './scope.ts';
import { grantsPull } from './token-answer.ts';
import type { TokenRequest, TokenSource } from './token.ts';
import type { TransportAnswer } from './transport.ts';

/** One repository, asked for with one credential, or with none. */
export interface Access {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly credential: Credential | undefined;
  readonly signal: AbortSignal;
}

/** What a request carries to be let in. */
export interface Authorization {
  /** The value of the header. */
  readonly header: string;
  /** The token in it, and what it was asked for; undefined for Basic. */
  readonly bearer: { readonly token: string; readonly request: TokenRequest } | undefined;
  /** Whether it was made just now; if it is refused, no newer one would do better. */
  readonly fresh: boolean;
}

export interface AuthorizerOptions {
  readonly tokens: TokenSource;
  readonly maxRegistries: number;
  readonly countCacheRequest: CountCacheRequest;
  readonly onNotice: RegistryEvents['onNotice'];
}

/** How a registry wants to be spoken to: by tokens of a server, or by user name and password themselves. */
type Scheme = TokenServer | 'basic';

/**
 * Gets a request let in. No probe of `/v2/`: the registry's own 401 tells the scheme and its token server, which is
 * remembered per registry, so that later repositories of it are asked for with an authorization at once.
 */
export class Authorizer {
  readonly #schemes: BoundedCache<string, Scheme>;
  readonly #options: AuthorizerOptions;

  constructor(options: AuthorizerOptions) {
    this.#schemes = new BoundedCache({ max: options.maxRegistries });
    this.#options = options;
  }

  get caches(): WatchedCaches {
    return { challenge: this.#schemes };
  }

  /** What the first request should carry, from what this registry asked for before. */
  async anticipate(access: Access): Promise<Authorization | undefined> {
    const { registry } = access.endpoint;
    const scheme = this.#schemes.get(registry);
    // A registry that never asked for anything is no miss: there may be nothing to know.
    if (scheme === undefined) return undefined;
    this.#options.countCacheRequest('challenge', 'hit');
    if (scheme === 'basic') return basicOf(access, { fresh: false });
    try {
      return await this.#bearer(access, scheme, pullScope(access.repository));
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code === 'denied' || error.retryable) throw error;
      // The token server may have moved since: the registry's own answer will tell.
      this.#schemes.delete(registry);
      return undefined;
    }
  }

  /**
   * What to try after an answer that refused a request with `refused`; undefined when that was all.
   * `'bare'` means: once more without any, since Harbor answers a stale token with a Basic challenge only.
   * @throws {RegistryError} where a token cannot be had.
   */
  async reconsider(
    access: Access,
    answer: TransportAnswer,
    refused: Authorization | undefined,
  ): Promise<Authorization | 'bare' | undefined> {
    const { endpoint, repository } = access;
    const challenges = parseChallenges(answer.headers['www-authenticate']);
    const bearer = findBearer(challenges);
    if (refused?.fresh && !namesAnotherServer(bearer, refused)) {
      const scope = scopeFor(repository, bearer?.parameters.get('scope'));
      return this.#widen(access, refused, bearer?.parameters.get('error'), scope);
    }
    if (refused?.bearer !== undefined)
      this.#options.tokens.forget(refused.bearer.request, refused.bearer.token);
    if (bearer !== undefined) {
      this.#options.countCacheRequest('challenge', 'miss');
      const server = tokenServerOf(bearer, endpoint);
      const authorization = await this.#bearer(access, server, pullScope(repository));
      this.#schemes.set(endpoint.registry, server);
      return authorization;
    }
    if (refused?.bearer !== undefined) return 'bare';
    // Basic that is refused and asked for again: other credentials may be taken, these are not.
    if (refused !== undefined || !asksForBasic(challenges)) return undefined;
    this.#schemes.set(endpoint.registry, 'basic');
    return basicOf(access, { fresh: true });
  }

  /** A new token with the scope that the registry names, where that is another one, and ours. */
  async #widen(
    access: Access,
    { bearer }: Authorization,
    error: string | undefined,
    scope: string | undefined,
  ): Promise<Authorization | undefined> {
    if (bearer === undefined || error !== 'insufficient_scope') return undefined;
    if (scope === undefined || scope === bearer.request.scope) return undefined;
    if (bearer.request.scope !== pullScope(access.repository)) return undefined;
    return this.#bearer(access, bearer.request.server, scope);
  }

  async #bearer(access: Access, server: TokenServer, scope: string): Promise<Authorization> {
    const { endpoint, credential, signal } = access;
    if (credential !== undefined && !endpoint.trusts(server.realm)) {
      const { registry } = endpoint;
      this.#options.onNotice({ kind: 'credentials_withheld', registry, subject: server.realm.host });
      throw new CredentialsWithheldError('denied', 'its token server is on a host that may not get them', {
        registry,
      });
    }
    const request = { endpoint, server, scope, credential, signal };
    const { token, isKept } = await this.#options.tokens.tokenFor(request);
    return { header: `Bearer ${token}`, bearer: { token, request }, fresh: !isKept };
  }
}

/** Whether the registry's tokens come from elsewhere than the refused one: its token server has moved. */
function namesAnotherServer(challenge: Challenge | undefined, { bearer }: Authorization): boolean {
  if (challenge === undefined || bearer === undefined) return false;
  const { realm, service } = bearer.request.server;
  const { parameters } = challenge;
  const named = parameters.get('realm') ?? '';
  return !URL.canParse(named) || new URL(named).href !== realm.href || parameters.get('service') !== service;
}

/** A credential was not sent, since the registry named a token server on a host that may not get it. */
export class CredentialsWithheldError extends RegistryError {}

/** Whether a refusal with this authorization is the last word on the repository: its token says that it may pull. */
export function isConclusive(authorization: Authorization | undefined, repository: string): boolean {
  return authorization?.bearer !== undefined && grantsPull(authorization.bearer.token, repository);
}

/** Identity tokens go to token servers only; user names and secrets that are empty are no credentials. */
function basicOf({ credential }: Access, { fresh }: { fresh: boolean }): Authorization | undefined {
  if (credential === undefined || credential.kind !== 'password') return undefined;
  const { username, secret } = credential.reveal();
  if (username === '' || secret === '') return undefined;
  return { header: basicHeader(credential), bearer: undefined, fresh };
}
