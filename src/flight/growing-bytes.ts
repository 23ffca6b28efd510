/** Room for most Pods, and for most manifests. */
const FIRST_BYTES = 16 * 1024;

export interface GrowingBytesOptions {
  /** The most that there may be. */
  readonly maxBytes: number;
  /** Told how much more room is needed, before it is taken; where it throws, so does `add`. */
  readonly reserve: (bytes: number) => void;
  /** What is thrown where there are more. */
  readonly tooMany: () => Error;
}

/**
 * Bytes that arrive in pieces, in one buffer. A list of the pieces would do for good senders; of what comes a byte at a time such
 * a list takes two hundred times the size.
 */
export class GrowingBytes {
  readonly #options: GrowingBytesOptions;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(options: GrowingBytesOptions) {
    this.#options = options;
  }

  /** @throws what `tooMany` makes, or what `reserve` throws. */
  add(piece: Buffer): void {
    const { maxBytes, reserve, tooMany } = this.#options;
    const needed = this.#length + piece.length;
    if (needed > maxBytes) throw tooMany();
    // What comes in one piece, as most does, needs no copy.
    const isFirst = this.#length === 0;
    if (needed > this.#buffer.length) {
      const more = Math.min(Math.max(needed, this.#buffer.length * 2, FIRST_BYTES), maxBytes);
      const room = isFirst ? needed : more;
      reserve(room - this.#buffer.length);
      this.#buffer = isFirst ? piece : Buffer.concat([this.#buffer.subarray(0, this.#length)], room);
    }
    if (!isFirst) piece.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  /** All that came; from then on nothing is kept here. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return bytes;
  }
}
