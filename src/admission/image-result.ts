import type { PodPullSecrets, PullCredentials } from '../credentials/keychain.ts';
import type { ImageReference } from '../image/reference.ts';
import type { PinEntry } from '../pins/image-pin.ts';
import type { PinStoreError } from '../pins/pin-store.ts';
import type { PinResults } from '../pins/pinner.ts';
import type { PodOwner } from '../pins/revision.ts';
import type { ServedDigest } from '../pins/served-digest.ts';
import type { DigestSource, LeftReason } from './outcome.ts';
import type { PlannedImage } from './plan.ts';
import type { PodImage } from './pod-images.ts';

/** What became of one planned image. */
export type ImageResult =
  | {
      readonly image: PodImage;
      readonly is: 'left';
      readonly reason: LeftReason;
      readonly detail: string | undefined;
    }
  | {
      readonly image: PodImage;
      readonly is: 'pinned';
      readonly reference: ImageReference;
      readonly digest: string;
      readonly source: DigestSource;
      /** Where the revision remembers it. */
      readonly entry?: PinEntry | undefined;
      readonly notRecorded: 'full' | PinStoreError | undefined;
      readonly asked: PullCredentials | undefined;
      readonly tookMs?: number | undefined;
    }
  | {
      readonly image: PodImage;
      readonly is: 'failed';
      readonly reference: ImageReference;
      readonly error: unknown;
      /** With whose credentials a registry was asked, as far as it came to that. */
      readonly asked: PullCredentials | undefined;
      /** How long it took to find that out, in milliseconds; where a registry or cache was asked. */
      readonly tookMs?: number | undefined;
    };

export type PinnedResult = Extract<ImageResult, { is: 'pinned' }>;
export type FailedResult = Extract<ImageResult, { is: 'failed' }>;

/** By normalised name: one reference may be sticky in one container and followed in another. */
export type ResultsByPolicy = Readonly<Record<'sticky' | 'follow', PinResults>>;

/** What became of one image, once those that had to be looked up were. */
export function imageResult(planned: PlannedImage, results: ResultsByPolicy): ImageResult {
  const { image } = planned;
  if (planned.do === 'leave') return { image, is: 'left', reason: planned.reason, detail: planned.detail };
  if (planned.do === 'put_back') {
    const { reference, digest } = planned;
    return {
      image,
      is: 'pinned',
      reference,
      digest,
      source: 'pod',
      notRecorded: undefined,
      asked: undefined,
    };
  }
  const result = results[planned.do].get(planned.name) ?? { error: new Error('no answer') };
  const { reference } = planned;
  const { asked, tookMs } = result;
  if ('error' in result) return { image, is: 'failed', reference, error: result.error, asked, tookMs };
  const { digest, source, entry, notRecorded } = result;
  return { image, is: 'pinned', reference, digest, source, entry, notRecorded, asked, tookMs };
}

/** The digest as a pin has it, for whoever follows those; undefined where no pin of the owner's has it. */
export function servedDigest(
  result: ImageResult,
  owner: PodOwner,
  secrets: PodPullSecrets,
): ServedDigest | undefined {
  if (owner.type === 'none' || result.is !== 'pinned' || result.entry === undefined) return undefined;
  return { ...result.entry, owner: owner.owner, reference: result.reference, secrets };
}

/** Whether another Pod of the revision that says the same gets the same: nobody but its pin was asked. */
export function isSameForReplicas(result: ImageResult): boolean {
  return result.is === 'left' || (result.is === 'pinned' && result.source === 'pin');
}
