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
}

/** How many images one pin holds. */
export const MAX_IMAGES_PER_PIN = 128;
