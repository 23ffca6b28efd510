import type { PodPullSecrets } from '../credentials/keychain.ts';
import type { ImageReference } from '../image/reference.ts';
import type { PinEntry } from './image-pin.ts';
import type { OwnerReference } from './revision.ts';

/** A Pod got the digest of this entry of its revision's pin. */
export interface ServedDigest extends PinEntry {
  /** The Pod's controller, as the Pod names it. */
  readonly owner: OwnerReference;
  readonly reference: ImageReference;
  /** The pull secrets that the Pod names: whose credentials its nodes pull with. */
  readonly secrets: PodPullSecrets;
}
