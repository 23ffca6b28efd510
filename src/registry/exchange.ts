import type { RegistryEvents } from '../telemetry/registry-events.ts';
import type { Access, Authorization, Authorizer } from './authorizer.ts';
import { findBearer, parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { RegistryError } from './errors.ts';
import { whoIs, type Credential } from './identity.ts';
import { MANIFEST_ACCEPT, MAX_MANIFEST_BYTES } from './manifest.ts';
import { pullsRemaining, type PullQuotas } from './rate-limit.ts';
import { sendWithRetry, type RetryOptions } from './retry.ts';
import type { TransportAnswer } from './transport.ts';
import { warningsOf } from './warning.ts';

export interface ExchangeOptions {
  readonly authorizer: Authorizer;
  readonly quotas: PullQuotas;
  readonly retry: RetryOptions;
  readonly events: RegistryEvents;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** The last answer to a manifest request, and what the request carried. */
export interface Exchanged {
  readonly answer: TransportAnswer;
  readonly authorization: Authorization | undefined;
}

const MAX_REDIRECTS = 3;
/** A stale token, no token, a new one, one with a wider scope: whoever refuses all of these may go on for ever. */
const MAX_REFUSALS = 4;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** One question for a manifest: challenges are answered, redirects followed, passing troubles retried once. */
export class ManifestExchange {
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** @throws {RegistryError} where there is no answer, or it leads astray; any HTTP status is an answer. */
  async ask(method: 'HEAD' | 'GET', url: URL, access: Access): Promise<Exchanged> {
    const { authorizer } = this.#options;
    let authorization: Authorization | undefined = await authorizer.anticipate(access);
    for (let refusals = 0; ; refusals += 1) {
      const { answer, elsewhere } = await this.#follow(method, url, access, authorization);
      // A challenge of another host is not ours to answer: no token exchange for a host that was only pointed to.
      if (elsewhere || !isRefusal(answer) || refusals === MAX_REFUSALS) return { answer, authorization };
      const next = await authorizer.reconsider(access, answer, authorization);
      if (next === undefined) return { answer, authorization };
      authorization = next === 'bare' ? undefined : next;
    }
  }

  async #follow(
    method: 'HEAD' | 'GET',
    start: URL,
    access: Access,
    authorization: Authorization | undefined,
  ): Promise<{ answer: TransportAnswer; elsewhere: boolean }> {
    const { endpoint, signal } = access;
    let url = start;
    for (let redirects = 0; ; redirects += 1) {
      const elsewhere = url.origin !== start.origin;
      const headers: Record<string, string> = { accept: MANIFEST_ACCEPT };
      if (authorization !== undefined && !elsewhere) headers['authorization'] = authorization.header;
      const request = { method, url, headers, maxBodyBytes: MAX_MANIFEST_BYTES, signal };
      const answer = await sendWithRetry(
        () => this.#count(method, endpoint, () => endpoint.transport.send(request)),
        signal,
        this.#options.retry,
      );
      if (!elsewhere) this.#listen(answer, access, authorization);
      if (!REDIRECTS.has(answer.status)) return { answer, elsewhere };
      if (redirects === MAX_REDIRECTS) throw redirectError(endpoint, answer, 'redirects too often');
      url = redirectTarget(url, answer, endpoint);
    }
  }

  /** Takes note of what an answer says beside what was asked. */
  #listen(
    { status, headers }: TransportAnswer,
    { endpoint: { registry }, credential }: Access,
    authorization: Authorization | undefined,
  ): void {
    const { events, quotas } = this.#options;
    for (const subject of warningsOf(headers['warning'])) {
      // A registry must not get into our log what we sent it.
      if (!repeatsSecret(subject, credential, authorization)) {
        events.onNotice({ kind: 'registry_warning', registry, subject });
      }
    }
    const remaining = pullsRemaining(headers['ratelimit-remaining']);
    if (remaining !== undefined) events.onPullsRemaining(registry, remaining);
    if (status === 200 || remaining !== undefined) quotas.note(registry, whoIs(credential), remaining);
  }

  async #count(
    method: 'HEAD' | 'GET',
    { registry }: Endpoint,
    send: () => Promise<TransportAnswer>,
  ): Promise<TransportAnswer> {
    const { events, now } = this.#options;
    const startedAt = now();
    let code = 'cancelled';
    let isAsked = true;
    try {
      const answer = await send();
      code = String(answer.status);
      return answer;
    } catch (error) {
      if (error instanceof RegistryError) ({ code, asked: isAsked } = error);
      throw error;
    } finally {
      // Where too many wait already nothing is sent: that is nothing that the registry did.
      if (isAsked) events.onRequest({ registry, method, code, durationMs: now() - startedAt });
    }
  }
}

function repeatsSecret(
  text: string,
  credential: Credential | undefined,
  authorization: Authorization | undefined,
): boolean {
  const [, sent] = authorization?.header.split(' ') ?? [];
  return [credential?.reveal().secret, sent].some((secret) => secret && text.includes(secret));
}

/** A 401; or a 403 that says the token has too little in it, which a registry may also use. */
function isRefusal({ status, headers }: TransportAnswer): boolean {
  if (status !== 403) return status === 401;
  const error = findBearer(parseChallenges(headers['www-authenticate']))?.parameters.get('error');
  return error === 'insufficient_scope';
}

function redirectTarget(from: URL, answer: TransportAnswer, endpoint: Endpoint): URL {
  const location = answer.headers['location'];
  if (typeof location !== 'string' || !URL.canParse(location, from)) {
    throw redirectError(endpoint, answer, 'redirects to nowhere');
  }
  const target = new URL(location, from);
  const downgrade = from.protocol === 'https:' && target.protocol !== 'https:';
  const plain = target.username === '' && target.password === '';
  // A host that the registry only pointed to must not choose what is asked of the operator's own hosts.
  const comesBack = endpoint.trusts(target) && !endpoint.trusts(from);
  if (downgrade || comesBack || !plain || !['https:', 'http:'].includes(target.protocol)) {
    throw redirectError(endpoint, answer, 'redirects to where no request may go');
  }
  return target;
}

function redirectError({ registry }: Endpoint, { status }: TransportAnswer, what: string): RegistryError {
  return new RegistryError('invalid_answer', `${registry} ${what}`, { registry, status });
}
