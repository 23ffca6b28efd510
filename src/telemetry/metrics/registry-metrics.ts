import { STATUS_CODES } from 'node:http';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { RegistryRequestEvent } from '../registry-request.ts';
import { SECONDS_BUCKETS } from './buckets.ts';
import { BoundedLabel } from './bounded-label.ts';

/** Label values are bounded: past this many registries, further ones are counted as `other`. */
const MAX_REGISTRIES = 100;

/** How registries answer. */
export class RegistryMetrics {
  readonly #label = new BoundedLabel(MAX_REGISTRIES);
  readonly #requests: Counter<'registry' | 'method' | 'code'>;
  readonly #seconds: Histogram<'registry'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'samebytes_registry_requests_total',
      help: 'Manifest requests to registries, by registry, method and status code or kind of failure.',
      labelNames: ['registry', 'method', 'code'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'samebytes_registry_request_duration_seconds',
      help: 'Time that a manifest request took, by registry.',
      labelNames: ['registry'],
      buckets: SECONDS_BUCKETS,
      registers,
    });
  }

  readonly countRequest = ({ registry, method, code, durationMs }: RegistryRequestEvent): void => {
    const label = this.#label.of(registry);
    this.#requests.inc({ registry: label, method, code: boundedCode(code) });
    this.#seconds.observe({ registry: label }, durationMs / 1000);
  };
}

/** A registry chooses its statuses: those that nobody has registered are counted by their class. */
function boundedCode(code: string): string {
  return /^\d+$/.test(code) && STATUS_CODES[code] === undefined ? `${code.slice(0, 1)}xx` : code;
}
