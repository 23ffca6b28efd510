import { LRUCache } from 'lru-cache';
import { MAX_IMAGES_PER_PIN, type ImagePin, type PinnedImage } from './image-pin.ts';
import { revisionKey, type Revision } from './revision.ts';

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
   * pin has no room is missing from what comes back.
   * @throws {PinStoreError} `pin_unreadable` or `pin_unwritable`
   */
  record(revision: Revision, images: readonly PinnedImage[], signal: AbortSignal): Promise<ImagePin>;
}

export interface MemoryPinStoreOptions {
  /** How many revisions are kept; past that the least recently used is forgotten, and with it its promise. */
  readonly maxRevisions: number;
  readonly onCreated: (pin: ImagePin) => void;
  readonly onForgotten: (pin: ImagePin) => void;
}

/** Pins in this process's memory: for the demo, the bench and curl. They do not outlive the process. */
export class MemoryPinStore implements PinStore {
  readonly #pins: LRUCache<string, ImagePin>;
  readonly #onCreated: (pin: ImagePin) => void;

  constructor({ maxRevisions, onCreated, onForgotten }: MemoryPinStoreOptions) {
    this.#onCreated = onCreated;
    this.#pins = new LRUCache({
      max: maxRevisions,
      dispose: (pin, _key, reason) => {
        if (reason === 'evict') onForgotten(pin);
      },
    });
  }

  async read(revision: Revision): Promise<ImagePin | undefined> {
    return this.#pins.get(revisionKey(revision));
  }

  async record(revision: Revision, images: readonly PinnedImage[]): Promise<ImagePin> {
    const existing = this.#pins.get(revisionKey(revision));
    const pin = { revision, images: addImages(existing?.images ?? [], images) };
    this.#pins.set(revisionKey(revision), pin);
    if (existing === undefined) this.#onCreated(pin);
    return pin;
  }
}

/** The images of a pin after `more` were offered: known references keep their digest, room is limited. */
export function addImages(
  images: readonly PinnedImage[],
  more: readonly PinnedImage[],
): readonly PinnedImage[] {
  const known = new Set(images.map(({ reference }) => reference));
  const added = more.filter(({ reference }) => !known.has(reference));
  return [...images, ...added].slice(0, MAX_IMAGES_PER_PIN);
}
