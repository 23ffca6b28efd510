/** What an admission may wait for outside of its process: the Kubernetes API server, registries. */
export type WaitedFor = 'api' | 'registry';

/** How long an admission waited for whom, in milliseconds; undefined where it did not. */
export type Waited = Readonly<Record<WaitedFor, number | undefined>>;

/** Of an admission that waited for nobody. */
export const NOT_WAITED: Waited = { api: undefined, registry: undefined };

/**
 * Measures how long an admission waits for whom. Waits that overlap count once: several for the same as one, and while
 * both are waited for the time is the registry's. So the two never add up to more than the time that passed.
 */
export class Waits {
  readonly #now: () => number;
  readonly #pending = { api: 0, registry: 0 };
  readonly #waitedMs: Record<WaitedFor, number | undefined> = { api: undefined, registry: undefined };
  readonly #followers = new Set<Waits>();
  #settledAtMs = 0;

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts the time until the work has ended, well or badly. */
  async during<T>(whom: WaitedFor, work: Promise<T>): Promise<T> {
    this.#begin(whom);
    try {
      return await work;
    } finally {
      this.#end(whom);
    }
  }

  /** Until the work has ended, whatever `other` waits for is waited for here too: the work is somebody else's. */
  async with<T>(other: Waits, work: Promise<T>): Promise<T> {
    other.#followers.add(this);
    for (const whom of other.#waitingFor()) this.#begin(whom);
    try {
      return await work;
    } finally {
      other.#followers.delete(this);
      for (const whom of other.#waitingFor()) this.#end(whom);
    }
  }

  /** Another one on the same clock, for work that several admissions share. */
  another(): Waits {
    return new Waits(this.#now);
  }

  /** How long was waited so far. */
  get waited(): Waited {
    this.#settle();
    return { ...this.#waitedMs };
  }

  #waitingFor(): WaitedFor[] {
    return (['api', 'registry'] as const).filter((whom) => this.#pending[whom] > 0);
  }

  #begin(whom: WaitedFor): void {
    this.#settle();
    this.#waitedMs[whom] ??= 0;
    this.#pending[whom] += 1;
    if (this.#pending[whom] === 1) for (const follower of this.#followers) follower.#begin(whom);
  }

  #end(whom: WaitedFor): void {
    this.#settle();
    this.#pending[whom] -= 1;
    if (this.#pending[whom] === 0) for (const follower of this.#followers) follower.#end(whom);
  }

  /** Books the time since the last change. */
  #settle(): void {
    const nowMs = this.#now();
    const whom = this.#pending.registry > 0 ? 'registry' : this.#pending.api > 0 ? 'api' : undefined;
    if (whom !== undefined) this.#waitedMs[whom] = (this.#waitedMs[whom] ?? 0) + nowMs - this.#settledAtMs;
    this.#settledAtMs = nowMs;
  }
}

/** The work, with the wait for it measured where somebody wants to know. */
export function waitingFor<T>(whom: WaitedFor, waits: Waits | undefined, work: Promise<T>): Promise<T> {
  return waits === undefined ? work : waits.during(whom, work);
}
