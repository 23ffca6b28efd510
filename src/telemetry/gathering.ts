export interface GatheringOptions<T> {
  /** So many are gathered at most; then they are handed on at once. */
  readonly max: number;
  /** They are handed on after so many milliseconds at the latest. */
  readonly waitMs: number;
  /** Gets them all, in their order. Must not throw. */
  readonly handOn: (things: readonly T[]) => void;
}

/**
 * Hands things on a little later, many at once. Work that is done for one request after another finds nothing of its own in the
 * CPU's caches each time, since a request needs them all; done for many in a row it takes a third. And what they have in common is
 * done once.
 */
export class Gathering<T> {
  readonly #options: GatheringOptions<T>;
  #things: T[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GatheringOptions<T>) {
    this.#options = options;
  }

  readonly add = (thing: T): void => {
    this.#things.push(thing);
    if (this.#things.length >= this.#options.max) this.flush();
    else this.#timer ??= setTimeout(this.flush, this.#options.waitMs);
  };

  /** Hands on what was gathered so far, now. */
  readonly flush = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const things = this.#things;
    this.#things = [];
    if (things.length > 0) this.#options.handOn(things);
  };
}
