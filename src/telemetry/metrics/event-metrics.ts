import { Counter, type Registry } from 'prom-client';
import { EVENT_RESULTS, type EventResult } from '../event-result.ts';

/** What becomes of the Kubernetes events about the owners of Pods. */
export class EventMetrics {
  readonly #events: Counter<'result'>;

  constructor(registry: Registry) {
    this.#events = new Counter({
      name: 'samebytes_events_total',
      help: 'Kubernetes events about owners of Pods, by result (written, limited, dropped, failed).',
      labelNames: ['result'],
      registers: [registry],
    });
    for (const result of EVENT_RESULTS) this.#events.inc({ result }, 0);
  }

  readonly count = (result: EventResult): void => {
    this.#events.inc({ result });
  };
}
