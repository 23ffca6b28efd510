import { History } from './history.ts';
import { readNumbers, type SampleSource } from './numbers.ts';
import { Recorder } from './recorder.ts';
import { RegistryWatch } from './registry-watch.ts';
import type { ShownProcess, State } from './state.ts';

export interface DashboardOptions {
  readonly metrics: SampleSource;
  readonly process: ShownProcess;
  /** The wall clock. */
  readonly now: () => Date;
}

/** What a page has already, so that it is not sent again. */
export interface Had {
  /** The time of its last point. */
  readonly pointMs: number;
  /** The version of its lists. */
  readonly version: number;
}

/** How often a point is taken, in milliseconds. */
export const SAMPLE_EVERY_MS = 5_000;
const KEPT_MS = 15 * 60_000;
const WINDOW_MS = 60_000;

/** What the page shows: this process's metrics now and over the last quarter of an hour, and what it did last. */
export class Dashboard {
  readonly recorder: Recorder;
  readonly #options: DashboardOptions;
  readonly #history = new History({
    maxPoints: KEPT_MS / SAMPLE_EVERY_MS,
    windowPoints: WINDOW_MS / SAMPLE_EVERY_MS,
  });
  readonly #registries = new RegistryWatch();

  constructor(options: DashboardOptions) {
    this.#options = options;
    this.recorder = new Recorder(options);
  }

  /** Takes a point for the charts; to be called every {@link SAMPLE_EVERY_MS}. */
  async sample(): Promise<void> {
    const numbers = await readNumbers(this.#options.metrics);
    const atMs = this.#options.now().getTime();
    const earlier = this.#history.add(numbers, atMs);
    this.#registries.look(earlier, numbers, atMs);
  }

  /** Everything, less what the page has. */
  async state({ pointMs, version }: Had): Promise<State> {
    const numbers = await readNumbers(this.#options.metrics);
    const recent = this.recorder.since(version);
    return {
      process: this.#options.process,
      nowMs: this.#options.now().getTime(),
      admissions: Object.fromEntries(numbers.admissions),
      caches: Object.fromEntries(
        [...numbers.caches].map(([cache, results]) => [cache, Object.fromEntries(results)]),
      ),
      pinsCreated: numbers.pinsCreated,
      registries: this.#registries.shown(numbers),
      points: this.#history.after(pointMs),
      ...(recent === undefined ? {} : { recent }),
    };
  }
}
