/** A clock that moves only when a test says so. */
export class FakeClock {
  #ms = 1_000_000;

  readonly now = (): number => this.#ms;

  readonly date = (): Date => new Date(Date.UTC(2026, 0, 1) + this.#ms);

  advance(ms: number): void {
    this.#ms += ms;
  }
}
