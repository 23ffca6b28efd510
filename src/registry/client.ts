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
  isRegistrysVoice,
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
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /**
   * Whether the reference's repository has the manifest with this digest, in a word that can be relied on. One HEAD, which
   * counts as no pull at Docker Hub, never a GET. For questions that nobody waits for: those that admissions ask go first,
   * so the registry is not asked while any breaker is open for it or hardly any pulls are left, and what becomes of the
   * question opens none.
   * @throws {RegistryError} for everything that says neither yes nor no, a 404 that may mean something else among it (a
   *   credential was refused, or no registry wrote it); or the signal's reason.
   */
  async hasManifest(
    reference: ImageReference,
    digest: string,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<boolean> {
    // Whoever was refused may be the one that pulled it.
    let isAnyRefused = false;
    const look = async (access: Access): Promise<true> => {
      try {
        await this.#expectManifest(access, digest);
        return true;
      } catch (error) {
        isAnyRefused ||= access.credential !== undefined && !isNotFound(error);
        throw error;
      }
    };
    try {
      return await this.#ask(reference, identity, signal, look, { givesWay: true });
    } catch (error) {
      if (isNotFound(error) && !isAnyRefused) return false;
      throw error;
    }
  }

  async #ask<T>(
    reference: ImageReference,
    identity: Identity,
    signal: AbortSignal,
    work: (access: Access) => Promise<T>,
    { givesWay = false } = {},
  ): Promise<T> {
    const { endpoints, attempts, deadlineMs: ms } = this.#options;
    const registry = hostOf(reference);
    const endpoint = endpoints.of(registry);
    if (endpoint === undefined) {
      throw new RegistryError('unreachable', `${registry} is not a host`, { registry });
    }
    return withDeadline({ registry, ms, signal }, (bounded) =>
      attempts.each({ endpoint, repository: reference.path, identity, signal: bounded, givesWay }, work),
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

  async #expectManifest(access: Access, digest: string): Promise<void> {
    const { registry } = access.endpoint;
    this.#spare(access);
    if (this.#withoutHead.has(registry)) {
      throw new RegistryError('invalid_answer', `${registry} knows no HEAD`, { registry, asked: false });
    }
    const head = await this.#options.exchange.ask('HEAD', manifestUrl(access, digest), access);
    if (head.answer.status === 404 && !isRegistrysVoice(head.answer)) {
      // A proxy in front that has lost its registry says 404, too.
      throw new RegistryError('invalid_answer', 'the 404 does not come from a registry', { registry });
    }
    expectSuccess(head, 'HEAD', access);
    const found = descriptorFromHeaders(head.answer, registry)?.digest;
    if (found !== undefined && found !== digest) {
      throw new RegistryError('invalid_answer', `asked for ${digest}, it named ${found}`, { registry });
    }
  }

  /** @throws {RegistryError} where so few pulls are left that they are kept for the nodes. */
  #spare({ endpoint: { registry }, credential }: Access): void {
    if (!this.#options.quotas.isLow(registry, whoIs(credential))) return;
    throw new RegistryError('throttled', `${registry} has hardly any pulls left`, { registry, asked: false });
  }

  async #get(access: Access, tagOrDigest: string): Promise<Exchanged> {
    const { exchange } = this.#options;
    this.#spare(access);
    const get = await exchange.ask('GET', manifestUrl(access, tagOrDigest), access);
    expectSuccess(get, 'GET', access);
    return get;
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof RegistryError && error.code === 'not_found';
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
