/**
 * Holds things that come and go by the thousand; what left makes room for what comes. A Set would do, but each time V8 makes room
 * in one, its old table points to the new one: once such a table is in the old generation, it and all that came later are kept
 * until the next collection of everything. Under load that were a hundred requests and more, with all that hangs on them.
 */
export class Slots<T> {
  readonly #things: (T | undefined)[] = [];
  readonly #free: number[] = [];

  /** Holds a thing until the function that is returned is called, once. */
  hold(thing: T): () => void {
    const slot = this.#free.pop() ?? this.#things.length;
    this.#things[slot] = thing;
    return () => {
      this.#things[slot] = undefined;
      this.#free.push(slot);
    };
  }

  /** What is held now, in no order. */
  held(): T[] {
    return this.#things.filter((thing) => thing !== undefined);
  }
}
