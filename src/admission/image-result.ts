import type { PullCredentials } from '../credentials/keychain.ts';
import type { ImageReference } from '../image/reference.ts';
import type { PinEntry } from '../pins/image-pin.ts';
import type { PinStoreError } from '../pins/pin-store.ts';
import type { DigestSource, LeftReason } from './outcome.ts';
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
