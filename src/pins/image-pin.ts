import { hash } from 'node:crypto';
import type { Revision } from './revision.ts';

/** What one reference means in one revision. */
export interface PinnedImage {
  /** Normalised, so that `nginx:1` and `docker.io/library/nginx:1` cannot differ. */
  readonly reference: string;
  readonly digest: string;
  /** RFC 3339, UTC. */
  readonly resolvedAt: string;
  /** `resolved` by the registry at birth; `adopted` from the revision's running Pods. */
  readonly source: 'resolved' | 'adopted';
}

/** The memory of one revision. Images may be added, never changed and never removed. */
export interface ImagePin {
  readonly revision: Revision;
  readonly images: readonly PinnedImage[];
  /** What tells this pin from an earlier one of the same revision that was deleted: the uid of its object. */
  readonly id: string;
}

/** One image of a pin, and whose it is. */
export interface PinEntry {
  readonly revision: Revision;
  readonly image: PinnedImage;
}

/** How many images one pin holds. */
export const MAX_IMAGES_PER_PIN = 128;

/** The longest reference that a pin holds: longer ones would exceed the cost limit of the CRD's rules. */
export const MAX_REFERENCE_LENGTH = 512;

/** Room for a dash and a hash within the 253 characters of a name. */
const MAX_NAME_PART = 240;
const HASH_LENGTH = 10;

/**
 * The name of a revision's pin: the revision's own and a short hash of its uid, so that it is the same in every process,
 * and another one for an owner that is made again under its old name.
 */
export function pinName({ name, uid }: Pick<Revision, 'name' | 'uid'>): string {
  // A cut must not leave a dot or a dash before the dash.
  return `${name.slice(0, MAX_NAME_PART).replace(/[-.]+$/, '')}-${hash('sha256', uid).slice(0, HASH_LENGTH)}`;
}

/** The images of a pin after `more` were offered: known references keep their digest, room is limited. */
export function addImages(
  images: readonly PinnedImage[],
  more: readonly PinnedImage[],
): readonly PinnedImage[] {
  const known = new Set(images.map(({ reference }) => reference));
  const added = more.filter(
    ({ reference }) => !known.has(reference) && reference.length <= MAX_REFERENCE_LENGTH,
  );
  return [...images, ...added].slice(0, MAX_IMAGES_PER_PIN);
}
