import { LRUCache } from 'lru-cache';
import { SharedFlights } from '../flight/shared-flights.ts';
import type { ImageReference } from '../image/reference.ts';
import type { Identity } from '../registry/identity.ts';
import type { Resolver } from '../resolver/resolver.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import type { ImagePin, PinnedImage } from './image-pin.ts';
import { PinStoreError, type PinStore } from './pin-store.ts';
import type { RevisionFinder } from './revision-finder.ts';
import { revisionKey, type PodOwner, type Revision } from './revision.ts';

/** References by their normalised name: one entry per meaning, however often a Pod names it. */
export type References = ReadonlyMap<string, ImageReference>;

/**
 * What may be recorded:
 * - `everything`: only if every reference has a digest, since otherwise the Pod will be refused;
 * - `what_resolved`: whatever has one; the Pod will be admitted anyway;
 * - `nothing`: dry runs and audits, which only look.
 */
export type Recording = 'everything' | 'what_resolved' | 'nothing';

export interface PinRequest {
  /** Whose replica the Pod is; one of nothing is pinned for itself alone. */
  readonly owner: PodOwner;
  readonly references: References;
  readonly identity: Identity;
  readonly recording: Recording;
  readonly signal: AbortSignal;
}

export interface Pinned {
  readonly digest: string;
  /** Where the digest came from: the revision's pin, the tag cache or a registry. */
  readonly source: 'pin' | 'cache' | 'registry';
  /** Why the revision does not remember it, where it should and does not. */
  readonly notRecorded?: 'full' | PinStoreError;
}

/** A digest, or what stood in its way: a RegistryError, a PinStoreError or the signal's reason. */
export type PinResult = Pinned | { readonly error: unknown };
export type PinResults = ReadonlyMap<string, PinResult>;

export interface PinnerOptions {
  readonly store: PinStore;
  readonly revisions: Pick<RevisionFinder, 'find'>;
  readonly resolver: Pick<Resolver, 'fresh'>;
  /** How many revisions are remembered in front of the store. */
  readonly maxRevisions: number;
  readonly countCacheRequest: CountCacheRequest;
  /** The wall clock. */
  readonly now: () => Date;
}

/** Gives every Pod of a revision the digests that its first Pod got. */
export class Pinner {
  readonly #options: PinnerOptions;
  readonly #memory: LRUCache<string, ImagePin>;
  readonly #births = new SharedFlights<PinResults>();

  constructor(options: PinnerOptions) {
    this.#options = options;
    this.#memory = new LRUCache({ max: options.maxRevisions });
  }

  /**
   * The digests of the references in the revision: remembered ones, or fresh ones that are recorded first. Pods of
   * one revision that arrive while it is being born wait for that together. Fails per reference, never as a whole.
   */
  async pin(request: PinRequest): Promise<PinResults> {
    try {
      const revision = await this.#options.revisions.find(request.owner, request.signal);
      if (revision === undefined) return await this.#resolveAll(undefined, [...request.references], request);
      return await this.#pinInRevision(revision, request);
    } catch (error) {
      if (isTolerable(error, request)) {
        return markNotRecorded(await this.#resolveAll(undefined, [...request.references], request), error);
      }
      return new Map([...request.references.keys()].map((name) => [name, { error }]));
    }
  }

  async #pinInRevision(revision: Revision, request: PinRequest): Promise<PinResults> {
    const { references, recording, signal } = request;
    const key = revisionKey(revision);
    const work = (shared: AbortSignal): Promise<PinResults> =>
      this.#bear(revision, { ...request, signal: shared });
    // A birth under way may lack one of our references (an injector that changed): then another one follows it.
    for (;;) {
      const known = this.#remembered(key, references);
      if (known !== undefined) return known;
      if (recording === 'nothing') {
        this.#options.countCacheRequest('pin', 'miss');
        return this.#bear(revision, request);
      }
      // What one mode tolerates another must not inherit, should a namespace change its label meanwhile.
      const born = await this.#births.join(`${recording} ${key}`, work, signal, (boarding) =>
        this.#options.countCacheRequest('pin', boarding === 'started' ? 'miss' : 'coalesced'),
      );
      if ([...references.keys()].every((name) => born.has(name))) return born;
    }
  }

  #remembered(key: string, references: References): PinResults | undefined {
    const pin = this.#memory.get(key);
    if (pin === undefined) return undefined;
    const known = digestsOf(pin, references.keys());
    if (known.size < references.size) return undefined;
    this.#options.countCacheRequest('pin', 'hit');
    return known;
  }

  async #bear(revision: Revision, request: PinRequest): Promise<PinResults> {
    const known = await this.#read(revision, request);
    const missing = [...request.references].filter(([name]) => !known.has(name));
    const resolved = await this.#resolveAll(revision, missing, request);
    return new Map([...known, ...(await this.#record(revision, resolved, request))]);
  }

  async #read(revision: Revision, { references, signal }: PinRequest): Promise<PinResults> {
    const pin = await this.#options.store.read(revision, signal);
    if (pin === undefined) return new Map();
    this.#memory.set(revisionKey(revision), pin);
    return digestsOf(pin, references.keys());
  }

  async #record(revision: Revision, resolved: PinResults, request: PinRequest): Promise<PinResults> {
    const failed = [...resolved.values()].some((result) => 'error' in result);
    const images = [...resolved].flatMap(([reference, result]) => this.#pinnedImage(reference, result));
    if (images.length === 0 || request.recording === 'nothing') return resolved;
    if (failed && request.recording === 'everything') return resolved;
    try {
      const pin = await this.#options.store.record(revision, images, request.signal);
      this.#memory.set(revisionKey(revision), pin);
      return withRecorded(resolved, pin);
    } catch (error) {
      if (isTolerable(error, request)) return markNotRecorded(resolved, error);
      throw error;
    }
  }

  async #resolveAll(
    revision: Revision | undefined,
    references: readonly (readonly [string, ImageReference])[],
    { identity, signal }: PinRequest,
  ): Promise<PinResults> {
    const key = revision === undefined ? undefined : revisionKey(revision);
    const results = references.map(async ([name, reference]): Promise<[string, PinResult]> => {
      try {
        return [name, await this.#options.resolver.fresh({ reference, identity, revision: key, signal })];
      } catch (error) {
        return [name, { error }];
      }
    });
    return new Map(await Promise.all(results));
  }

  #pinnedImage(reference: string, result: PinResult): PinnedImage[] {
    if ('error' in result) return [];
    const resolvedAt = this.#options.now().toISOString();
    return [{ reference, digest: result.digest, resolvedAt, source: 'resolved' }];
  }
}

/** Whether a Pod gets its digests all the same, though they cannot be recorded. */
function isTolerable(error: unknown, { recording }: PinRequest): error is PinStoreError {
  return recording === 'what_resolved' && error instanceof PinStoreError;
}

function digestsOf(pin: ImagePin, names: Iterable<string>): Map<string, Pinned> {
  const digests = new Map(pin.images.map(({ reference, digest }) => [reference, digest]));
  const results = new Map<string, Pinned>();
  for (const name of names) {
    const digest = digests.get(name);
    if (digest !== undefined) results.set(name, { digest, source: 'pin' });
  }
  return results;
}

/** The winner's digests, whoever won; what the pin had no room for serves this Pod alone. */
function withRecorded(resolved: PinResults, pin: ImagePin): PinResults {
  const recorded = digestsOf(pin, resolved.keys());
  return new Map(
    [...resolved].map(([name, result]): [string, PinResult] => {
      const winner = recorded.get(name);
      if ('error' in result) return [name, winner ?? result];
      if (winner === undefined) return [name, { ...result, notRecorded: 'full' }];
      return [name, winner.digest === result.digest ? result : winner];
    }),
  );
}

function markNotRecorded(results: PinResults, problem: PinStoreError): PinResults {
  return new Map(
    [...results].map(([name, result]): [string, PinResult] =>
      'error' in result ? [name, result] : [name, { ...result, notRecorded: problem }],
    ),
  );
}
