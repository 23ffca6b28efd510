import { ByKey } from './by-key.ts';
import { Flight } from './flight.ts';

/** How a caller came by an answer that is fetched once for all who ask at the same time. */
export type Boarding = 'started' | 'joined';

/** At most one flight per key: whoever asks while it is under way gets its outcome. */
export class SharedFlights<T> {
  readonly #flights = new ByKey<Flight<T>>();

  /** Keys with a flight under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** Joins the flight of `key`, or starts one. `onBoard` hears which, at once. */
  async join(
    key: string,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
    onBoard: (boarding: Boarding) => void = () => {},
  ): Promise<T> {
    signal.throwIfAborted();
    const running = this.#flights.get(key);
    if (running?.joinable) {
      onBoard('joined');
      return running.join(signal);
    }
    onBoard('started');

    const flight = new Flight(work);
    this.#flights.set(key, flight);
    const joined = flight.join(signal);
    flight.start();
    void flight.landed().then(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    return joined;
  }
}
