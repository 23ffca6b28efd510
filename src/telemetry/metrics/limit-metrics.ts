import { Gauge, type Registry } from 'prom-client';
import type { LimitState, WatchedLimits } from '../limits.ts';

/** How much is under way, beside how much may be. */
export class LimitMetrics {
  readonly #watched = new Map<string, LimitState>();

  constructor(registry: Registry) {
    const watched = this.#watched;
    registry.registerMetric(
      new Gauge({
        name: 'samebytes_limit_used',
        help: 'How much there is now of what may be under way, or wait, at once.',
        labelNames: ['limit'],
        registers: [],
        collect() {
          for (const [limit, { used }] of watched) this.set({ limit }, used);
        },
      }),
    );
    registry.registerMetric(
      new Gauge({
        name: 'samebytes_limit_max',
        help: 'The most that there may be of it; what happens past that stands in docs/bounds.md.',
        labelNames: ['limit'],
        registers: [],
        collect() {
          for (const [limit, { max }] of watched) this.set({ limit }, max);
        },
      }),
    );
  }

  /** From now on these limits are looked at whenever metrics are asked for. */
  readonly watch = (limits: WatchedLimits): void => {
    for (const [name, limit] of Object.entries(limits)) this.#watched.set(name, limit);
  };
}
