/**
 * Things by name that come and go by the thousand. A Map would keep what went, for the reason that `slots.ts` tells: an
 * object's old tables point to no new ones.
 */
export class ByKey<T> {
  readonly #things: Record<string, T | undefined> = Object.create(null);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    return this.#things[key];
  }

  set(key: string, thing: T): void {
    if (!(key in this.#things)) this.#size += 1;
    this.#things[key] = thing;
  }

  delete(key: string): void {
    if (!(key in this.#things)) return;
    this.#size -= 1;
    delete this.#things[key];
  }
}
