import { hostOf, type ImageReference } from '../image/reference.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { RegistryEvents } from '../telemetry/registry-events.ts';
import type { Attempts } from './attempts.ts';
import { isConclusive, type Access } from './authorizer.ts';
import { asksForBasic, parseChallenges } from './challenge.ts';
import { withDeadline } from './deadline.ts';
import type { Endpoints } from './endpoint.ts';
import { errorForStatus, RegistryError } from './errors.ts';
import type { Exchanged, ManifestExchange } from './exchange.ts';
import { sourceOf, whoIs, type Identity } from './identity.ts';
import {
  contentFromBody,
  descriptorFromBody,
  descriptorFromHeaders,
  digestHeaderLies,
  type ManifestDescriptor,
  type ManifestDetails,
} from './manifest.ts';
import type { PullQuotas } from './rate-limit.ts';
import { retryAfterMs } from './retry-after.ts';

export interface RegistryClientOptions {
  readonly endpoints: Endpoints;
  readonly attempts: Attempts;
  readonly exchange: ManifestExchange;
  readonly quotas: PullQuotas;
  /** How many registries without HEAD are remembered. */
  readonly maxRegistries: number;
  /** What one question may take in all, in milliseconds. */
  readonly deadlineMs: number;
  readonly onNotice: RegistryEvents['onNotice'];
}

/** Asks registries what a tag means, by the OCI distribution protocol. */
export class RegistryClient {
  readonly #options: RegistryClientOptions;
  readonly #withoutHead: BoundedCache<string, true>;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    this.#withoutHead = new BoundedCache({ max: options.maxRegistries });
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
    const tag = reference.tag ?? '';
    return this.#ask(reference, identity, signal, (access) => this.#descriptor(access, tag));
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
  ): Promise<ManifestDetails | undefined> {
    try {
      return await this.#ask(reference, identity, signal, async (access) => {
        const { answer } = await this.#get(access, digest);
        return contentFromBody(answer, digest, access.endpoint.registry);
      });
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  async #ask<T>(
    reference: ImageReference,
    identity: Identity,
    signal: AbortSignal,
    work: (access: Access) => Promise<T>,
  ): Promise<T> {
    const { endpoints, attempts, deadlineMs: ms } = this.#options;
    const registry = hostOf(reference);
    const endpoint = endpoints.of(registry);
    if (endpoint === undefined) {
      throw new RegistryError('unreachable', `${registry} is not a host`, { registry });
    }
    return withDeadline({ registry, ms, signal }, (bounded) =>
      attempts.each({ endpoint, repository: reference.path, identity, signal: bounded }, work),
    );
  }

  async #descriptor(access: Access, tag: string): Promise<ManifestDescriptor> {
    const { registry } = access.endpoint;
    const knowsHead = !this.#withoutHead.has(registry);
    let hasHead = true;
    if (knowsHead) {
      const head = await this.#options.exchange.ask('HEAD', manifestUrl(access, tag), access);
      hasHead = !isHeadMissing(head.answer.status);
      if (hasHead) {
        expectSuccess(head, 'HEAD', access);
        const descriptor = descriptorFromHeaders(head.answer, registry);
        if (descriptor !== undefined) return descriptor;
      }
    }
    const get = await this.#get(access, tag);
    // Known only now: an odd answer to HEAD says nothing yet.
    if (!hasHead) this.#withoutHead.set(registry, true);
    if (digestHeaderLies(get.answer)) {
      this.#options.onNotice({ kind: 'digest_mismatch', registry, subject: access.repository });
    }
    return descriptorFromBody(get.answer, registry);
  }

  async #get(access: Access, tagOrDigest: string): Promise<Exchanged> {
    const { exchange, quotas } = this.#options;
    const { registry } = access.endpoint;
    if (quotas.isLow(registry, whoIs(access.credential))) {
      throw new RegistryError('throttled', `${registry} has hardly any pulls left for a GET`, {
        registry,
        asked: false,
      });
    }
    const get = await exchange.ask('GET', manifestUrl(access, tagOrDigest), access);
    expectSuccess(get, 'GET', access);
    return get;
  }
}

function manifestUrl({ endpoint, repository }: Access, tagOrDigest: string): URL {
  return new URL(`/v2/${repository}/manifests/${tagOrDigest}`, endpoint.origin);
}

/**
 * Whether a registry seems to lack HEAD: 405, and what else no registry answers to a question for a manifest. Not the
 * statuses that mean something: a GET after each of them would count as a pull at Docker Hub.
 */
function isHeadMissing(status: number): boolean {
  return status === 501 || (status !== 200 && (status < 300 || isOddRefusal(status)));
}

function isOddRefusal(status: number): boolean {
  return status >= 400 && errorForStatus(status, '', { registry: '' }).code === 'invalid_answer';
}

function expectSuccess(
  { answer: { status, headers }, authorization }: Exchanged,
  method: string,
  { endpoint: { registry }, repository, credential }: Access,
): void {
  if (status === 200) return;
  const challenges = parseChallenges(headers['www-authenticate']);
  // Where nothing was sent and only Basic could be, another credential may be of that kind.
  const conclusive =
    authorization === undefined
      ? !asksForBasic(challenges)
      : status === 404 && isConclusive(authorization, repository);
  throw errorForStatus(status, `the ${method} of the manifest`, {
    registry,
    retryAfterMs: retryAfterMs(headers['retry-after'], Date.now()),
    conclusive,
    tried: [sourceOf(authorization === undefined ? undefined : credential)],
  });
}
