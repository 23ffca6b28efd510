import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { addImages, type ImagePin, type PinnedImage } from './image-pin.ts';
import type { PinStore } from './pin-store.ts';
import { revisionKey, type Revision } from './revision.ts';

export interface MemoryPinStoreOptions {
  /** How many revisions are kept; past that the least recently used is forgotten, and with it its promise. */
  readonly maxRevisions: number;
  readonly onCreated: (pin: ImagePin) => void;
  /** Images were added to a pin that was there. */
  readonly onAdded: (pin: ImagePin, added: readonly PinnedImage[]) => void;
  readonly onForgotten: (pin: ImagePin) => void;
}

/** Pins in this process's memory: for the demo, the bench and curl. They do not outlive the process. */
export class MemoryPinStore implements PinStore {
  readonly #pins: BoundedCache<string, ImagePin>;
  readonly #options: MemoryPinStoreOptions;

  constructor(options: MemoryPinStoreOptions) {
    const { maxRevisions, onForgotten } = options;
    this.#options = options;
    this.#pins = new BoundedCache({
      max: maxRevisions,
      dispose: (pin, _key, reason) => {
        if (reason === 'evict') onForgotten(pin);
      },
    });
  }

  get caches(): WatchedCaches {
    return { memory_pin: this.#pins };
  }

  async read(revision: Revision): Promise<ImagePin | undefined> {
    return this.#pins.get(revisionKey(revision));
  }

  async record(revision: Revision, images: readonly PinnedImage[]): Promise<ImagePin> {
    const key = revisionKey(revision);
    const existing = this.#pins.get(key);
    const pin = { revision, images: addImages(existing?.images ?? [], images), id: key };
    this.#pins.set(key, pin);
    const added = pin.images.slice(existing?.images.length ?? 0);
    if (existing === undefined) this.#options.onCreated(pin);
    else if (added.length > 0) this.#options.onAdded(pin, added);
    return pin;
  }
}
