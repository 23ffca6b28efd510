import { DeadlineError } from '../admission/failure.ts';
import { hostOf, parseReference, type ImageReference } from '../image/reference.ts';
import type { AddressRules } from '../registry/address-guard.ts';
import { RegistryError } from '../registry/errors.ts';
import type { Identity } from '../registry/identity.ts';
import { isIndexType, type ManifestDescriptor, type ManifestDetails } from '../registry/manifest.ts';
import { explainFailure, type ResolveFailure } from './resolve-failure.ts';

/** What a registry is asked; the registry client in the product. */
export interface ManifestSource {
  resolveTag(reference: ImageReference, identity: Identity, signal: AbortSignal): Promise<ManifestDescriptor>;
  contentOf(
    reference: ImageReference,
    digest: string,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<ManifestDetails | undefined>;
}

/** What became of one image. */
export type ImageAnswer = FoundImage | FailedImage;

export interface FoundImage {
  readonly is: 'found';
  readonly reference: ImageReference;
  readonly digest: string;
  /** Undefined where the registry did not say, and the manifest was not read. */
  readonly mediaType: string | undefined;
  /** Undefined where they were not to be read; a single image names none. */
  readonly platforms: Platforms | undefined;
  readonly durationMs: number;
}

/** The platforms of an index; of a single image nothing, since its manifest does not tell; or why they were not read. */
export type Platforms =
  | { readonly of: 'index'; readonly names: readonly string[] }
  | { readonly of: 'image' }
  | { readonly of: 'unread'; readonly failure: ResolveFailure };

export interface FailedImage {
  readonly is: 'failed';
  readonly written: string;
  /** Undefined where what was written is no image. */
  readonly reference: ImageReference | undefined;
  readonly failure: ResolveFailure;
  readonly durationMs: number;
}

export interface ImageLookupOptions {
  readonly source: ManifestSource;
  /** As whom an image is asked for. */
  readonly identityOf: (reference: ImageReference, signal: AbortSignal) => Promise<Identity>;
  /** Which addresses a registry may be at, for advice. */
  readonly rulesOf: (host: string) => AddressRules;
  readonly timeoutMs: number;
  /** Whether indexes are read for their platforms: a GET, which Docker Hub counts as a pull, beside the HEAD. */
  readonly readPlatforms: boolean;
  /** Aborted when no answer is wanted any more. */
  readonly cancelled: AbortSignal;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

type Found = Pick<FoundImage, 'digest' | 'mediaType' | 'platforms'>;

/** Asks registries about images, each within a deadline of its own. */
export class ImageLookup {
  readonly #options: ImageLookupOptions;

  constructor(options: ImageLookupOptions) {
    this.#options = options;
  }

  /**
   * What an image means now. Every failure that an image, a registry or the network can cause is an answer.
   * @throws {unknown} the reason of `cancelled`; or a fault of ours.
   */
  async ask(written: string): Promise<ImageAnswer> {
    const { now, cancelled } = this.#options;
    const startedAt = now();
    let reference: ImageReference | undefined;
    try {
      reference = parseReference(written);
      const found = await this.#withinDeadline(reference);
      return { is: 'found', reference, ...found, durationMs: now() - startedAt };
    } catch (error) {
      cancelled.throwIfAborted();
      const failure = this.#explain(error, reference);
      return { is: 'failed', written, reference, failure, durationMs: now() - startedAt };
    }
  }

  async #withinDeadline(reference: ImageReference): Promise<Found> {
    const { timeoutMs, cancelled } = this.#options;
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(new DeadlineError(`not done after ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    try {
      const signal = AbortSignal.any([deadline.signal, cancelled]);
      const identity = await this.#options.identityOf(reference, signal);
      return await (reference.digest === undefined
        ? this.#askForTag(reference, identity, signal)
        : this.#askForDigest(reference, reference.digest, identity, signal));
    } finally {
      clearTimeout(timer);
    }
  }

  async #askForTag(reference: ImageReference, identity: Identity, signal: AbortSignal): Promise<Found> {
    const { source, readPlatforms, cancelled } = this.#options;
    const { digest, mediaType } = await source.resolveTag(reference, identity, signal);
    if (!readPlatforms) return { digest, mediaType, platforms: undefined };
    if (mediaType !== undefined && !isIndexType(mediaType)) {
      return { digest, mediaType, platforms: { of: 'image' } };
    }
    try {
      return await this.#askForDigest(reference, digest, identity, signal);
    } catch (error) {
      // The digest is what was asked for, and it is there.
      cancelled.throwIfAborted();
      const failure = this.#explain(error, reference);
      return { digest, mediaType, platforms: { of: 'unread', failure } };
    }
  }

  async #askForDigest(
    reference: ImageReference,
    digest: string,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<Found> {
    const content = await this.#options.source.contentOf(reference, digest, identity, signal);
    if (content === undefined) {
      const registry = hostOf(reference);
      throw new RegistryError('not_found', `${registry} knows no manifest with this digest`, { registry });
    }
    const { mediaType } = content;
    if (!this.#options.readPlatforms) return { digest, mediaType, platforms: undefined };
    const platforms: Platforms =
      content.is === 'index' ? { of: 'index', names: content.platforms } : { of: 'image' };
    return { digest, mediaType, platforms };
  }

  #explain(error: unknown, reference: ImageReference | undefined): ResolveFailure {
    const host = reference && hostOf(reference);
    return explainFailure(error, host === undefined ? undefined : { host, ...this.#options.rulesOf(host) });
  }
}
