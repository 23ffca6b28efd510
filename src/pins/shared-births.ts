import { SharedFlights, type Boarding } from '../flight/shared-flights.ts';
import type { Waits } from '../telemetry/waits.ts';

/** A birth that a Pod may begin, or join. */
export interface Birth<T> {
  /** Pods with the same key are born together. */
  readonly key: string;
  /** The work, for the Pod that begins it. It is ended when everybody has left, and notes its own waits. */
  readonly bear: (signal: AbortSignal, waits: Waits | undefined) => Promise<T>;
  readonly onBoard: (boarding: Boarding) => void;
  readonly signal: AbortSignal;
  readonly waits?: Waits | undefined;
}

/** Births under way. Whoever joins one waits from then on for what the birth waits for. */
export class SharedBirths<T> {
  readonly #flights = new SharedFlights<T>();
  readonly #waits = new Map<string, Waits>();

  join({ key, bear, onBoard, signal, waits }: Birth<T>): Promise<T> {
    const own = waits?.another();
    const work = async (shared: AbortSignal): Promise<T> => {
      if (own !== undefined) this.#waits.set(key, own);
      try {
        return await bear(shared, own);
      } finally {
        if (this.#waits.get(key) === own) this.#waits.delete(key);
      }
    };
    const born = this.#flights.join(key, work, signal, onBoard);
    // By now its work has begun.
    const shared = this.#waits.get(key);
    return shared === undefined || waits === undefined ? born : waits.with(shared, born);
  }
}
