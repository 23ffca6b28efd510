/** The last things of one kind, newest first. The very same again is counted rather than listed. */
export class RecentList<T> {
  readonly #maxEntries: number;
  readonly #entries = new Map<string, T & { readonly atMs: number; readonly times: number }>();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  /** Adds a thing that happened so many times; `key` tells what counts as the same, and what was said first stays. */
  add(key: string, thing: T, atMs: number, times: number): void {
    const before = this.#entries.get(key);
    this.#entries.delete(key);
    this.#entries.set(key, { ...(before ?? thing), atMs, times: (before?.times ?? 0) + times });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#maxEntries && oldest !== undefined) this.#entries.delete(oldest);
  }

  get newestFirst(): (T & { readonly atMs: number; readonly times: number })[] {
    return [...this.#entries.values()].toReversed();
  }
}
