import { ByKey } from './by-key.ts';
import { Flight } from './flight.ts';
import type { Boarding } from './shared-flights.ts';

interface Lane<T> {
  running: Flight<T>;
  next: Flight<T> | undefined;
}

/**
 * Per key at most one flight under way and one next. Whoever asks during a flight waits for the next one, shared
 * by all who wait: so every answer comes from work that *started after it was asked for*, a burst costs at most
 * two flights in a row, and no clocks are compared.
 */
export class FreshFlights<T> {
  readonly #lanes = new ByKey<Lane<T>>();

  /** Keys with a flight under way. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Joins a flight of `key` that has not started yet. `onBoard` hears at once whether it was there already. */
  async join(
    key: string,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
    onBoard: (boarding: Boarding) => void = () => {},
  ): Promise<T> {
    signal.throwIfAborted();
    const lane = this.#lanes.get(key);
    if (lane === undefined) {
      onBoard('started');
      const flight = new Flight(work);
      const joined = flight.join(signal);
      this.#takeOff(key, { running: flight, next: undefined });
      return joined;
    }
    if (lane.next?.joinable) {
      onBoard('joined');
      return lane.next.join(signal);
    }
    onBoard('started');
    lane.next = new Flight(work);
    return lane.next.join(signal);
  }

  /** The flight of `key` that is under way, for callers to whom an answer asked for earlier is good enough. */
  running(key: string): Flight<T> | undefined {
    const flight = this.#lanes.get(key)?.running;
    return flight?.joinable ? flight : undefined;
  }

  #takeOff(key: string, lane: Lane<T>): void {
    this.#lanes.set(key, lane);
    lane.running.start();
    void lane.running.landed().then(() => {
      // A next flight that all have given up while they waited is not flown.
      if (lane.next?.joinable) this.#takeOff(key, { running: lane.next, next: undefined });
      else this.#lanes.delete(key);
    });
  }
}
