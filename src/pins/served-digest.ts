import type { PodPullSecrets } from '../credentials/keychain.ts';
import type { ImageReference } from '../image/reference.ts';
import type { OwnerReference, Revision } from './revision.ts';

/** A Pod got this digest from the pin of its revision. */
export interface ServedDigest {
  readonly revision: Revision;
  /** The Pod's controller, as the Pod names it. */
  readonly owner: OwnerReference;
  readonly reference: ImageReference;
  readonly digest: string;
  /** The pull secrets that the Pod names: whose credentials its nodes pull with. */
  readonly secrets: PodPullSecrets;
}

/** Hears of each, in the middle of admissions: so it must be quick, and must not throw. */
export type OnServed = (served: ServedDigest) => void;
