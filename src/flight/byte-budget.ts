/** What all requests together may hold of one thing; whoever gets nothing is refused instead of waiting. */
export class ByteBudget {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes a share; undefined where too little is left. The share is given back by calling it, once. */
  take(bytes: number): (() => void) | undefined {
    if (this.#heldBytes + bytes > this.#maxBytes) return undefined;
    this.#heldBytes += bytes;
    let isHeld = true;
    return () => {
      if (isHeld) this.#heldBytes -= bytes;
      isHeld = false;
    };
  }
}
