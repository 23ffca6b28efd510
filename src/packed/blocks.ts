/** Where bytes were written: the number of their first block. */
export type Place = number;

const BLOCK_BYTES = 64;
/** Each block begins with the number of the next one. */
const LINK_BYTES = 4;
const ROOM = BLOCK_BYTES - LINK_BYTES;
/** The first block's room begins with the length of the whole, and the writer's number for it. */
const LENGTH_BYTES = 4;
const HEAD_BYTES = LENGTH_BYTES + 4;
const BLOCKS_PER_CHUNK = 4_096;
/** No block: there is none with this number. */
const NONE = 0xff_ff_ff_ff;

/**
 * Bytes outside of V8's heap, for what is many, small and kept for long: there it would be looked at by each collection, and
 * would lie scattered among garbage. All blocks have one size, so what is freed fits whatever comes next.
 */
export class Blocks {
  readonly #chunks: Buffer[] = [];
  /** Blocks that were ever in use. */
  #begun = 0;
  #firstFree = NONE;

  /** `number` has 32 bits, and is what {@link Blocks.numberOf} gives back. */
  write(bytes: Uint8Array, number: number): Place {
    const first = this.#take();
    const chunk = this.#chunkOf(first);
    chunk.writeUInt32LE(bytes.length, offsetOf(first) + LINK_BYTES);
    chunk.writeUInt32LE(number, offsetOf(first) + LINK_BYTES + LENGTH_BYTES);
    let block = first;
    let written = this.#fill(block, HEAD_BYTES, bytes, 0);
    while (written < bytes.length) {
      const next = this.#take();
      this.#link(block, next);
      block = next;
      written += this.#fill(block, 0, bytes, written);
    }
    this.#link(block, NONE);
    return first;
  }

  read(place: Place): Buffer {
    const length = this.#chunkOf(place).readUInt32LE(offsetOf(place) + LINK_BYTES);
    const bytes = Buffer.allocUnsafe(length);
    let read = this.#copy(place, HEAD_BYTES, bytes, 0);
    for (let block = place; read < length;) {
      block = this.#next(block);
      read += this.#copy(block, 0, bytes, read);
    }
    return bytes;
  }

  numberOf(place: Place): number {
    return this.#chunkOf(place).readUInt32LE(offsetOf(place) + LINK_BYTES + LENGTH_BYTES);
  }

  /** Nothing may be read there from now on. */
  free(place: Place): void {
    let last = place;
    for (let next = this.#next(last); next !== NONE; next = this.#next(last)) last = next;
    this.#link(last, this.#firstFree);
    this.#firstFree = place;
  }

  #take(): number {
    const free = this.#firstFree;
    if (free !== NONE) {
      this.#firstFree = this.#next(free);
      return free;
    }
    if (this.#begun === this.#chunks.length * BLOCKS_PER_CHUNK) {
      this.#chunks.push(Buffer.allocUnsafeSlow(BLOCKS_PER_CHUNK * BLOCK_BYTES));
    }
    this.#begun += 1;
    return this.#begun - 1;
  }

  #fill(block: number, skip: number, bytes: Uint8Array, from: number): number {
    const part = bytes.subarray(from, from + ROOM - skip);
    this.#chunkOf(block).set(part, offsetOf(block) + LINK_BYTES + skip);
    return part.length;
  }

  #copy(block: number, skip: number, into: Buffer, at: number): number {
    const start = offsetOf(block) + LINK_BYTES;
    return this.#chunkOf(block).copy(into, at, start + skip, start + ROOM);
  }

  #next(block: number): number {
    return this.#chunkOf(block).readUInt32LE(offsetOf(block));
  }

  #link(block: number, next: number): void {
    this.#chunkOf(block).writeUInt32LE(next, offsetOf(block));
  }

  #chunkOf(block: number): Buffer {
    const chunk = this.#chunks[Math.floor(block / BLOCKS_PER_CHUNK)];
    if (chunk === undefined) throw new RangeError(`no block ${block}`);
    return chunk;
  }
}

function offsetOf(block: number): number {
  return (block % BLOCKS_PER_CHUNK) * BLOCK_BYTES;
}
