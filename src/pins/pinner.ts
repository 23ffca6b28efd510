import type { CredentialsFor, PullCredentials } from '../credentials/keychain.ts';
import { normalizedName, type ImageReference } from '../image/reference.ts';
import type { Identity } from '../registry/identity.ts';
import type { ManifestContent } from '../registry/manifest.ts';
import type { Resolver } from '../resolver/resolver.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import { waitingFor, type Waits } from '../telemetry/waits.ts';
import { adoptionFrom, evidenceOf } from './adoption.ts';
import type { ImagePin, PinEntry, PinnedImage } from './image-pin.ts';
import type { PinMemory, PinVersion } from './pin-memory.ts';
import { PinStoreError, type PinStore } from './pin-store.ts';
import type { RevisionFinder } from './revision-finder.ts';
import { revisionKey, type PodOwner, type Revision } from './revision.ts';
import { SharedBirths } from './shared-births.ts';
import { siblingQuery, type SiblingImage, type Siblings } from './siblings.ts';
import type { TagMoves } from './tag-moves.ts';

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
  /** The Pod's credentials, asked for only where a registry is going to be asked. */
  readonly credentialsFor: CredentialsFor;
  /** The Pod's labels, by which the other Pods of its revision are found. */
  readonly labels: Readonly<Record<string, unknown>>;
  readonly recording: Recording;
  readonly signal: AbortSignal;
  /** Told how long was waited, and for whom. */
  readonly waits?: Waits | undefined;
}

export interface Pinned {
  readonly digest: string;
  /** Where the digest came from: the revision's pin, its running Pods, the tag cache or a registry. */
  readonly source: 'pin' | 'sibling' | 'cache' | 'registry';
  /** With whose credentials it was asked for, where it was. */
  readonly asked?: PullCredentials | undefined;
  /** Where the revision remembers it. */
  readonly entry?: PinEntry;
  /** Why the revision does not remember it, where it should and does not. */
  readonly notRecorded?: 'full' | PinStoreError;
  /** How long it took to hear what the tag means, with credentials and all, in milliseconds; where that was asked. */
  readonly tookMs?: number | undefined;
}

/** A digest, or what stood in its way: a RegistryError, a PinStoreError or the signal's reason. */
export type PinResult =
  | Pinned
  | {
      readonly error: unknown;
      readonly asked?: PullCredentials | undefined;
      readonly tookMs?: number | undefined;
    };
export type PinResults = ReadonlyMap<string, PinResult>;

/** Looks into manifests; the registry client in the product. */
export interface Manifests {
  /**
   * What the manifest with this digest is; undefined where the reference's repository has none.
   * @throws {RegistryError} or the signal's reason.
   */
  contentOf(
    reference: ImageReference,
    digest: string,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<ManifestContent | undefined>;
}

export interface PinnerOptions {
  readonly store: PinStore;
  /** What is remembered in front of the store. */
  readonly memory: PinMemory;
  readonly revisions: Pick<RevisionFinder, 'known' | 'find' | 'findAnew'>;
  readonly resolver: Pick<Resolver, 'fresh' | 'withRoom'>;
  /** The other Pods of a revision; undefined without a cluster to ask. */
  readonly siblings: Siblings | undefined;
  readonly manifests: Manifests;
  /** Pods of one revision run different bytes already; `chosen` is what new ones get, where that is known. */
  readonly onSplit: (
    revision: Revision,
    reference: string,
    digests: readonly string[],
    chosen: string | undefined,
  ) => void;
  /** Hears what registries say that references mean. */
  readonly tagMoves: Pick<TagMoves, 'resolved'>;
  readonly countCacheRequest: CountCacheRequest;
  /** The wall clock. */
  readonly now: () => Date;
}

/** What decides about Pods needs of a {@link Pinner}. */
export type PodPins = Pick<Pinner, 'pin' | 'pinOf' | 'stillHolds' | 'answersStill'>;

/** Gives every Pod of a revision the digests that its first Pod got. */
export class Pinner {
  readonly #options: PinnerOptions;
  readonly #births = new SharedBirths<PinResults>();

  constructor(options: PinnerOptions) {
    this.#options = options;
  }

  /**
   * The digests of the references in the revision: remembered ones, or fresh ones that are recorded first. Pods of
   * one revision that arrive while it is being born wait for that together. Fails per reference, never as a whole.
   */
  async pin(request: PinRequest): Promise<PinResults> {
    try {
      const { revisions } = this.#options;
      const revision =
        revisions.known(request.owner) ??
        (await revisions.find(request.owner, request.signal, request.waits));
      if (revision === undefined) return await this.#resolveAll(undefined, [...request.references], request);
      return this.#remembered(revision, request) ?? (await this.#pinInRevision(revision, request));
    } catch (error) {
      if (isTolerable(error, request)) {
        return markNotRecorded(await this.#resolveAll(undefined, [...request.references], request), error);
      }
      return new Map([...request.references.keys()].map((name) => [name, { error }]));
    }
  }

  /** Whether this is the pin that the owner's Pods get their digests from still, as far as it is remembered. */
  stillHolds(owner: PodOwner, pin: PinVersion): boolean {
    const revision = this.#options.revisions.known(owner);
    return revision !== undefined && this.#options.memory.holds(pin, revision);
  }

  /** The same, counted as an answer from memory where it is so. */
  answersStill(owner: PodOwner, pin: PinVersion): boolean {
    const isSo = this.stillHolds(owner, pin);
    if (isSo) this.#options.countCacheRequest('pin', 'hit');
    return isSo;
  }

  /** Which pin the owner's Pods get their digests from; undefined where it is not remembered, or there is none. */
  pinOf(owner: PodOwner): PinVersion | undefined {
    const revision = this.#options.revisions.known(owner);
    return revision === undefined ? undefined : this.#options.memory.version(revision);
  }

  async #pinInRevision(revision: Revision, request: PinRequest): Promise<PinResults> {
    const { references, recording } = request;
    if (recording === 'nothing') {
      this.#options.countCacheRequest('pin', 'miss');
      return this.#bear(revision, request);
    }
    // Shared by Pods that need the same: where one image fails nothing is recorded, and nobody may leave with the digest of
    // another. And what one mode tolerates another must not inherit, should a namespace change its label meanwhile.
    return this.#births.join({
      ...request,
      key: [recording, revisionKey(revision), ...[...references.keys()].toSorted()].join(' '),
      bear: (signal, waits) => this.#bear(revision, { ...request, signal, waits }),
      onBoard: (boarding) =>
        this.#options.countCacheRequest('pin', boarding === 'started' ? 'miss' : 'coalesced'),
    });
  }

  #remembered(revision: Revision, request: PinRequest): PinResults | undefined {
    const { references } = request;
    const pin = this.#options.memory.get(revision);
    if (pin === undefined) return undefined;
    const known = digestsOf(pin, references.keys());
    if (known.size < references.size) return undefined;
    this.#options.countCacheRequest('pin', 'hit');
    return known;
  }

  async #bear(revision: Revision, request: PinRequest): Promise<PinResults> {
    const pin = await waitingFor('api', request.waits, this.#read(revision, request.signal));
    const known = pin === undefined ? new Map<string, Pinned>() : digestsOf(pin, request.references.keys());
    const missing = [...request.references].filter(([name]) => !known.has(name));
    if (missing.length === 0) return known;
    if (pin === undefined && request.owner.type === 'controllerRevision') {
      const current = await this.#options.revisions.findAnew(request.owner, request.signal, request.waits);
      if (current === undefined) return this.#resolveAll(undefined, missing, request);
      if (current.uid !== revision.uid) return this.#bear(current, request);
    }
    const [resolved, siblings] = await Promise.all([
      this.#resolveAll(revision, missing, request),
      this.#siblingsOf(request),
    ]);
    const chosen = await this.#adoptAll(revision, resolved, siblings, request);
    return new Map([...known, ...(await this.#record(revision, chosen, pin === undefined, request))]);
  }

  async #read(revision: Revision, signal: AbortSignal): Promise<ImagePin | undefined> {
    const mark = this.#options.memory.mark();
    const pin = await this.#options.store.read(revision, signal);
    if (pin !== undefined) this.#options.memory.remember(pin, mark);
    return pin;
  }

  async #siblingsOf({ owner, labels, signal, waits }: PinRequest): Promise<readonly SiblingImage[]> {
    const query = siblingQuery(owner, labels);
    const { siblings } = this.#options;
    if (query === undefined || siblings === undefined) return [];
    return waitingFor('api', waits, siblings.imagesOf(query, signal));
  }

  /** The revision may have Pods already, born before its namespace opted in, or its pin was lost: these decide. */
  async #adoptAll(
    revision: Revision,
    resolved: PinResults,
    siblings: readonly SiblingImage[],
    request: PinRequest,
  ): Promise<PinResults> {
    if (siblings.length === 0) return resolved;
    const results = [...resolved].map(async ([name, result]): Promise<[string, PinResult]> => {
      const reference = request.references.get(name);
      if (reference === undefined) return [name, result];
      try {
        return [name, await this.#adopt(revision, reference, result, siblings, request)];
      } catch (error) {
        return [name, { error, asked: result.asked }];
      }
    });
    return new Map(await Promise.all(results));
  }

  async #adopt(
    revision: Revision,
    reference: ImageReference,
    resolved: PinResult,
    siblings: readonly SiblingImage[],
    { credentialsFor, recording, signal, waits }: PinRequest,
  ): Promise<PinResult> {
    const { manifests, siblings: others, onSplit } = this.#options;
    const tagDigest = 'error' in resolved ? undefined : resolved.digest;
    const { asked } = resolved;
    const adoption = await adoptionFrom(evidenceOf(reference, siblings), tagDigest, {
      manifest: async (digest) => {
        const { identity } = asked ?? (await credentialsFor(reference, signal, waits));
        return waitingFor('registry', waits, manifests.contentOf(reference, digest, identity, signal));
      },
      shareOnePlatform: async () =>
        others !== undefined && (await waitingFor('api', waits, others.shareOnePlatform(signal))),
    });
    // Whoever only looks leaves no trace.
    if (adoption.split.length > 1 && recording !== 'nothing') {
      onSplit(revision, normalizedName(reference), adoption.split, adoption.adopt ?? tagDigest);
    }
    if (adoption.adopt === undefined) return resolved;
    return { digest: adoption.adopt, source: 'sibling', asked, tookMs: resolved.tookMs };
  }

  async #record(
    revision: Revision,
    chosen: PinResults,
    isNew: boolean,
    request: PinRequest,
  ): Promise<PinResults> {
    const failed = [...chosen.values()].some((result) => 'error' in result);
    const images = [...chosen].flatMap(([reference, result]) => this.#pinnedImage(reference, result));
    if (images.length === 0 || request.recording === 'nothing') return chosen;
    if (failed && request.recording === 'everything') return chosen;
    try {
      const mark = this.#options.memory.mark();
      const { store } = this.#options;
      const writing = store.record(revision, images, isNew, request.signal);
      const pin = await waitingFor('api', request.waits, writing);
      this.#options.memory.remember(pin, mark);
      return withRecorded(chosen, pin);
    } catch (error) {
      if (isTolerable(error, request)) return markNotRecorded(chosen, error);
      throw error;
    }
  }

  async #resolveAll(
    revision: Revision | undefined,
    references: readonly (readonly [string, ImageReference])[],
    request: PinRequest,
  ): Promise<PinResults> {
    const resolve = (): Promise<PinResults> => this.#resolveEach(revision, references, request);
    try {
      return await this.#options.resolver.withRoom(references.length, request.signal, resolve);
    } catch (error) {
      return new Map(references.map(([name]) => [name, { error }]));
    }
  }

  async #resolveEach(
    revision: Revision | undefined,
    references: readonly (readonly [string, ImageReference])[],
    { credentialsFor, signal, waits }: PinRequest,
  ): Promise<PinResults> {
    const key = revision === undefined ? undefined : revisionKey(revision);
    const results = references.map(async ([name, reference]): Promise<[string, PinResult]> => {
      const startedAt = this.#options.now();
      const tookMs = (): number => Math.max(this.#options.now().getTime() - startedAt.getTime(), 0);
      let asked: PullCredentials | undefined;
      try {
        asked = await credentialsFor(reference, signal, waits);
        const { identity } = asked;
        const resolving = { reference, identity, revision: key, signal, waits };
        const resolution = await this.#options.resolver.fresh(resolving);
        if (resolution.source === 'registry') {
          this.#options.tagMoves.resolved(revision, name, resolution.digest);
        }
        return [name, { ...resolution, asked, tookMs: tookMs() }];
      } catch (error) {
        return [name, { error, asked, tookMs: tookMs() }];
      }
    });
    return new Map(await Promise.all(results));
  }

  #pinnedImage(reference: string, result: PinResult): PinnedImage[] {
    if ('error' in result) return [];
    const resolvedAt = this.#options.now().toISOString();
    const source = result.source === 'sibling' ? 'adopted' : 'resolved';
    return [{ reference, digest: result.digest, resolvedAt, source }];
  }
}

/** Whether a Pod gets its digests all the same, though they cannot be recorded. */
function isTolerable(error: unknown, { recording }: PinRequest): error is PinStoreError {
  return recording === 'what_resolved' && error instanceof PinStoreError;
}

function digestsOf({ revision, images }: ImagePin, names: Iterable<string>): Map<string, Pinned> {
  const known = new Map(images.map((image) => [image.reference, image]));
  const results = new Map<string, Pinned>();
  for (const name of names) {
    const image = known.get(name);
    if (image !== undefined)
      results.set(name, { digest: image.digest, source: 'pin', entry: { revision, image } });
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
      return [name, winner.digest === result.digest ? { ...winner, ...result } : winner];
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
