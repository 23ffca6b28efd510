import type { ImagePin, PinnedImage } from './image-pin.ts';
import type { Revision } from './revision.ts';

/** Thrown where pins cannot be read or written: then no promise can be given. */
export class PinStoreError extends Error {
  override readonly name = 'PinStoreError';
  readonly code: 'pin_unreadable' | 'pin_unwritable';

  constructor(code: 'pin_unreadable' | 'pin_unwritable', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Where pins are kept. Shared by all webhook processes; the only referee between them. */
export interface PinStore {
  /**
   * The revision's pin, undefined where it has none.
   * @throws {PinStoreError} `pin_unreadable`
   */
  read(revision: Revision, signal: AbortSignal): Promise<ImagePin | undefined>;

  /**
   * Creates the revision's pin or adds to it, and returns it as it stands then. The first digest recorded for a
   * reference wins for ever: where another process was faster, *its* digest comes back. An image for which the
   * pin has no room is missing from what comes back. `isNew` is a hint: no pin was there a moment ago.
   * @throws {PinStoreError} `pin_unreadable` or `pin_unwritable`
   */
  record(
    revision: Revision,
    images: readonly PinnedImage[],
    isNew: boolean,
    signal: AbortSignal,
  ): Promise<ImagePin>;
}
