import { hostOf, type ImageReference } from '../image/reference.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { RegistryRequestEvent } from '../telemetry/registry-request.ts';
import type { Access, Authorization, Authorizer } from './authorizer.ts';
import type { Endpoint, Endpoints } from './endpoint.ts';
import { errorForStatus, RegistryError } from './errors.ts';
import type { Identity } from './identity.ts';
import {
  contentFromBody,
  descriptorFromBody,
  descriptorFromHeaders,
  MANIFEST_ACCEPT,
  MAX_MANIFEST_BYTES,
  type ManifestContent,
  type ManifestDescriptor,
} from './manifest.ts';
import { retryAfterMs } from './retry-after.ts';
import type { TransportAnswer } from './transport.ts';

export interface RegistryClientOptions {
  readonly endpoints: Endpoints;
  readonly authorizer: Authorizer;
  /** How many registries without HEAD are remembered. */
  readonly maxRegistries: number;
  readonly onRequest: (event: RegistryRequestEvent) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Asks registries what a tag means, by the OCI distribution protocol. */
export class RegistryClient {
  readonly #endpoints: Endpoints;
  readonly #authorizer: Authorizer;
  readonly #withoutHead: BoundedCache<string, true>;
  readonly #onRequest: (event: RegistryRequestEvent) => void;
  readonly #now: () => number;

  constructor(options: RegistryClientOptions) {
    this.#endpoints = options.endpoints;
    this.#authorizer = options.authorizer;
    this.#withoutHead = new BoundedCache({ max: options.maxRegistries });
    this.#onRequest = options.onRequest;
    this.#now = options.now;
  }

  get caches(): WatchedCaches {
    return { without_head: this.#withoutHead };
  }

  /**
   * What the reference's tag points at now: of a multi-platform image the index, so that each node still chooses
   * its platform. One HEAD where the registry is known; a GET where HEAD gives no digest.
   * @throws {RegistryError} or the signal's reason.
   */
  async resolveTag(
    reference: ImageReference,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<ManifestDescriptor> {
    const { registry, url, access } = this.#manifest(reference, reference.tag ?? '', identity, signal);
    if (!this.#withoutHead.has(registry)) {
      const head = await this.#request('HEAD', url, access);
      if (head.status === 405) this.#withoutHead.set(registry, true);
      else {
        this.#expectSuccess(head, 'HEAD', registry);
        const descriptor = descriptorFromHeaders(head, registry);
        if (descriptor !== undefined) return descriptor;
      }
    }
    const get = await this.#request('GET', url, access);
    this.#expectSuccess(get, 'GET', registry);
    return descriptorFromBody(get, registry);
  }

  /**
   * What the manifest with this digest is, read from its repository; undefined where there is none. One GET.
   * @throws {RegistryError} or the signal's reason.
   */
  async contentOf(
    reference: ImageReference,
    digest: string,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<ManifestContent | undefined> {
    const { registry, url, access } = this.#manifest(reference, digest, identity, signal);
    const answer = await this.#request('GET', url, access);
    if (answer.status === 404) return undefined;
    this.#expectSuccess(answer, 'GET', registry);
    return contentFromBody(answer, digest, registry);
  }

  #manifest(
    reference: ImageReference,
    tagOrDigest: string,
    identity: Identity,
    signal: AbortSignal,
  ): { registry: string; url: URL; access: Access } {
    const registry = hostOf(reference);
    const endpoint = this.#endpoints.of(registry);
    if (endpoint === undefined)
      throw new RegistryError('unreachable', `${registry} is not a host`, { registry });
    const access = { endpoint, repository: reference.path, identity, signal };
    const url = new URL(`/v2/${reference.path}/manifests/${tagOrDigest}`, endpoint.origin);
    return { registry, url, access };
  }

  async #request(method: 'HEAD' | 'GET', url: URL, access: Access): Promise<TransportAnswer> {
    let authorization: Authorization | undefined = await this.#authorizer.anticipate(access);
    for (;;) {
      const { answer, elsewhere } = await this.#follow(method, url, access, authorization);
      // A challenge of another host is not ours to answer: no token exchange for a host that was only pointed to.
      if (answer.status !== 401 || elsewhere) return answer;
      const next = await this.#authorizer.reconsider(access, answer, authorization);
      if (next === undefined) return answer;
      authorization = next === 'bare' ? undefined : next;
    }
  }

  async #follow(
    method: 'HEAD' | 'GET',
    start: URL,
    { endpoint, signal }: Access,
    authorization: Authorization | undefined,
  ): Promise<{ answer: TransportAnswer; elsewhere: boolean }> {
    let url = start;
    for (let redirects = 0; ; redirects += 1) {
      const elsewhere = url.origin !== start.origin;
      const headers: Record<string, string> = { accept: MANIFEST_ACCEPT };
      if (authorization !== undefined && !elsewhere)
        headers['authorization'] = `Bearer ${authorization.token}`;
      const answer = await this.#send(method, url, headers, endpoint, signal);
      if (!REDIRECTS.has(answer.status)) return { answer, elsewhere };
      if (redirects === MAX_REDIRECTS) throw redirectError(endpoint, answer, 'redirects too often');
      url = redirectTarget(url, answer, endpoint);
    }
  }

  async #send(
    method: 'HEAD' | 'GET',
    url: URL,
    headers: Record<string, string>,
    { registry, transport }: Endpoint,
    signal: AbortSignal,
  ): Promise<TransportAnswer> {
    const startedAt = this.#now();
    let code = 'cancelled';
    try {
      const answer = await transport.send({ method, url, headers, maxBodyBytes: MAX_MANIFEST_BYTES, signal });
      code = String(answer.status);
      return answer;
    } catch (error) {
      if (error instanceof RegistryError) code = error.code;
      throw error;
    } finally {
      this.#onRequest({ registry, method, code, durationMs: this.#now() - startedAt });
    }
  }

  #expectSuccess(answer: TransportAnswer, method: string, registry: string): void {
    if (answer.status === 200) return;
    throw errorForStatus(answer.status, `the ${method} of the manifest`, {
      registry,
      retryAfterMs: retryAfterMs(answer.headers['retry-after'], Date.now()),
    });
  }
}

function redirectTarget(from: URL, answer: TransportAnswer, endpoint: Endpoint): URL {
  const location = answer.headers['location'];
  if (typeof location !== 'string' || !URL.canParse(location, from)) {
    throw redirectError(endpoint, answer, 'redirects to nowhere');
  }
  const target = new URL(location, from);
  const downgrade = from.protocol === 'https:' && target.protocol !== 'https:';
  const plain = target.username === '' && target.password === '';
  if (downgrade || !plain || !['https:', 'http:'].includes(target.protocol)) {
    throw redirectError(endpoint, answer, 'redirects to where no request may go');
  }
  return target;
}

function redirectError({ registry }: Endpoint, { status }: TransportAnswer, what: string): RegistryError {
  return new RegistryError('invalid_answer', `${registry} ${what}`, { registry, status });
}
