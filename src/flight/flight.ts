import { untilAborted } from './until-aborted.ts';

/**
 * One piece of work that several callers wait for together. Each caller brings an AbortSignal of its own and
 * may leave by it; the work goes on for the others and is aborted when the last one has left.
 */
export class Flight<T> {
  readonly #work: (signal: AbortSignal) => Promise<T>;
  readonly #abort = new AbortController();
  readonly #outcome = Promise.withResolvers<T>();
  #waiting = 0;
  #state: 'waiting' | 'flying' | 'landed' = 'waiting';

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work;
    // Whoever joined hears of a failure through `join`; a flight that nobody waits for any more fails silently.
    this.#outcome.promise.catch(() => {});
  }

  /** Whether a caller may still join and get a real outcome: it was neither landed nor given up by all. */
  get joinable(): boolean {
    return this.#state !== 'landed';
  }

  /** Starts the work; further calls do nothing. */
  start(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'flying';
    void this.#fly();
  }

  /** Resolves when the flight has ended, well or badly. Never rejects. */
  async landed(): Promise<void> {
    await this.#outcome.promise.catch(() => {});
  }

  /**
   * Waits for the outcome.
   * @throws what the work throws, or the signal's reason once that is aborted.
   */
  async join(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    this.#waiting += 1;
    try {
      return await untilAborted(this.#outcome.promise, signal);
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#abandon();
    }
  }

  async #fly(): Promise<void> {
    try {
      this.#outcome.resolve(await this.#work(this.#abort.signal));
    } catch (error) {
      this.#outcome.reject(error);
    }
    this.#state = 'landed';
  }

  #abandon(): void {
    if (this.#state === 'landed') return;
    this.#state = 'landed';
    const reason = new Error('nobody waits for the answer any more');
    this.#abort.abort(reason);
    // Work that does not heed its signal must not hold up the flight after this one.
    this.#outcome.reject(reason);
  }
}
