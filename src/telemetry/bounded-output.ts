import fs from 'node:fs';
import type { DestinationStream } from 'pino';
import { limitOf, type LimitState } from './limits.ts';

/** So many characters wait for a reader; a line of an admission has some 500. */
const MAX_WAITING = 4 * 1024 * 1024;
/** Lines are gathered for this long, or to this length: a write of its own for each costs as much as an admission. */
const GATHER_MS = 100;
const GATHER_LENGTH = 64 * 1024;
/** So many are written at once. */
const MAX_CHUNK = 64 * 1024;
const TRY_AGAIN_MS = 50;
/** So often is tried again, at least, before a process that has nothing else to do ends without a reader. */
const MAX_TRIES_AT_END = 40;

/**
 * Writes lines to a file descriptor in the background. A pipe that nobody empties blocks whoever writes to it synchronously,
 * and admissions would stand still with it; here lines wait, up to a bound, and are dropped past that. A disk that is full
 * loses lines, too, and ends nothing. What comes in a tenth of a second is written together. A process ends once everything that waits is written, or two seconds later where nobody
 * reads.
 */
export class BoundedOutput implements DestinationStream {
  /** Told how many lines were lost, once lines are written again. */
  onRecovered: (dropped: number) => void = () => {};
  readonly #fd: number;
  #waiting: string[] = [];
  #length = 0;
  #isWriting = false;
  #gathering: NodeJS.Timeout | undefined;
  #dropped = 0;
  /** How often in a row the pipe was full. */
  #tries = 0;

  constructor(fd: number) {
    this.#fd = fd;
    // After an error that nobody caught, or process.exit: there is no other turn to write in.
    process.once('exit', () => this.#writeRest());
  }

  /** The characters that wait. */
  get waiting(): LimitState {
    return limitOf(() => this.#length, MAX_WAITING);
  }

  write(line: string): void {
    if (this.#length + line.length > MAX_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(line);
    this.#length += line.length;
    if (this.#isWriting) return;
    if (this.#length >= GATHER_LENGTH) this.#next();
    else this.#gathering ??= setTimeout(() => this.#next(), GATHER_MS);
  }

  #next(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    let [count, length] = [0, 0];
    while (count < this.#waiting.length && length < MAX_CHUNK) {
      length += this.#waiting[count]?.length ?? 0;
      count += 1;
    }
    this.#isWriting = count > 0;
    if (count === 0) return;
    this.#send(Buffer.from(this.#waiting.splice(0, count).join('')), count, length);
  }

  #send(bytes: Buffer, count: number, length: number): void {
    fs.write(this.#fd, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        this.#tries += 1;
        const timer = setTimeout(() => this.#send(bytes, count, length), TRY_AGAIN_MS);
        if (this.#tries > MAX_TRIES_AT_END) timer.unref();
        return;
      }
      this.#tries = 0;
      if (error === null && written < bytes.length) return this.#send(bytes.subarray(written), count, length);
      this.#length -= length;
      if (error === null) this.#recover();
      else this.#dropped += count;
      this.#next();
    });
  }

  #recover(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.onRecovered(dropped);
  }

  #writeRest(): void {
    try {
      if (this.#waiting.length > 0) fs.writeSync(this.#fd, this.#waiting.join(''));
    } catch {
      // Nobody is left to be told.
    }
  }
}
