import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { addImages, type ImagePin, type PinnedImage } from './image-pin.ts';
import type { PinStore } from './pin-store.ts';
import { revisionKey, type Revision } from './revision.ts';

export interface MemoryPinStoreOptions {
  /** How many revisions are kept; past that the least recently used is forgotten, and with it its promise. */
  readonly maxRevisions: number;
  readonly onCreated: (pin: ImagePin) => void;
  readonly onForgotten: (pin: ImagePin) => void;
}

/** Pins in this process's memory: for the demo, the bench and curl. They do not outlive the process. */
export class MemoryPinStore implements PinStore {
  readonly #pins: BoundedCache<string, ImagePin>;
  readonly #onCreated: (pin: ImagePin) => void;

  constructor({ maxRevisions, onCreated, onForgotten }: MemoryPinStoreOptions) {
    this.#onCreated = onCreated;
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
    if (existing === undefined) this.#onCreated(pin);
    return pin;
  }
}
