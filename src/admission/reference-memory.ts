import {
  InvalidReferenceError,
  normalizedName,
  parseReference,
  type ImageReference,
} from '../image/reference.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';

/** A reference that was read, and its normalised name. */
export interface ReadReference {
  readonly reference: ImageReference;
  readonly name: string;
}

const MAX_REFERENCES = 2_000;
/** Longer ones are read each time: nobody's images have such names. */
const MAX_REMEMBERED_LENGTH = 512;

/** Reads references, and remembers them: replicas write the same ones again and again. */
export class ReferenceMemory {
  readonly #known = new BoundedCache<string, ReadReference>({ max: MAX_REFERENCES });

  get caches(): WatchedCaches {
    return { reference: this.#known };
  }

  /** The reference; where it is none, the error that says why. */
  read(written: string): ReadReference | InvalidReferenceError {
    const known = this.#known.get(written);
    if (known !== undefined) return known;
    try {
      const reference = parseReference(written);
      const read = { reference, name: normalizedName(reference) };
      if (written.length <= MAX_REMEMBERED_LENGTH) this.#known.set(written, read);
      return read;
    } catch (error) {
      if (error instanceof InvalidReferenceError) return error;
      throw error;
    }
  }
}
