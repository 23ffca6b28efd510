/** Thrown where there was no room: too many waited already, or the waiting took too long. */
export class GateError extends Error {
  override readonly name = 'GateError';
  readonly code = 'overloaded';
}

export interface GateOptions {
  /** How much may be inside at once, in whatever is counted. */
  readonly capacity: number;
  /** How many may wait; further ones are turned away at once. */
  readonly maxWaiting: number;
  /** Who waits goes in by turns; `newest first` where those that came early have too little time left to use their place. */
  readonly order?: 'oldest first' | 'newest first';
}

interface Waiting {
  readonly size: number;
  readonly enter: () => void;
}

/** Lets so much in at once, and the others wait in order, each as long as it likes. */
export class Gate {
  readonly #capacity: number;
  readonly #maxWaiting: number;
  readonly #newestFirst: boolean;
  readonly #waiting = new Set<Waiting>();
  #inside = 0;

  constructor({ capacity, maxWaiting, order = 'oldest first' }: GateOptions) {
    this.#capacity = capacity;
    this.#maxWaiting = maxWaiting;
    this.#newestFirst = order === 'newest first';
  }

  /** How much is inside. */
  get inside(): number {
    return this.#inside;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** As {@link enter} where there is room for it at once, and nobody waits; undefined where it would have to wait. */
  enterNow(size: number): (() => void) | undefined {
    const taken = Math.min(size, this.#capacity);
    const hasRoom = this.#waiting.size === 0 && this.#inside + taken <= this.#capacity;
    return hasRoom ? this.#take(taken) : undefined;
  }

  /**
   * Resolves when there is room, with a function that makes room again; calling it again does nothing. What is larger
   * than the gate goes in alone.
   * @throws {GateError} where too many wait, or the signal is aborted before there is room.
   */
  async enter(size: number, signal: AbortSignal): Promise<() => void> {
    const leaveNow = this.enterNow(size);
    if (leaveNow !== undefined) return leaveNow;
    const taken = Math.min(size, this.#capacity);
    if (signal.aborted) throw new GateError('no time is left to wait');
    if (this.#waiting.size >= this.#maxWaiting) throw new GateError('too many wait already');
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiting: Waiting = { size: taken, enter: () => resolve(this.#take(taken)) };
    const leave = (): void => {
      this.#waiting.delete(waiting);
      reject(new GateError('there was no room in time'));
      // The first in line may have been too large for the room that there was.
      this.#admit();
    };
    this.#waiting.add(waiting);
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #take(size: number): () => void {
    this.#inside += size;
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#inside -= size;
      this.#admit();
    };
  }

  #admit(): void {
    if (this.#waiting.size === 0) return;
    for (const waiting of this.#newestFirst ? [...this.#waiting].toReversed() : this.#waiting) {
      if (this.#inside + waiting.size > this.#capacity) return;
      this.#waiting.delete(waiting);
      waiting.enter();
    }
  }
}
