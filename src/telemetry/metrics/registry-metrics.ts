import { STATUS_CODES } from 'node:http';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { RegistryRequestEvent } from '../registry-events.ts';
import { BoundedLabel } from './bounded-label.ts';
import { SECONDS_BUCKETS } from './buckets.ts';

/** Label values are bounded: past this many registries that nobody listed, further ones are counted as `other`. */
const MAX_REGISTRIES = 100;
/** Docker Hub counts pulls of the last six hours: what it said longer ago is over. */
const PULLS_WINDOW_MS = 6 * 60 * 60_000;

/** How registries answer. */
export class RegistryMetrics {
  readonly #label = new BoundedLabel(MAX_REGISTRIES);
  readonly #requests: Counter<'registry' | 'method' | 'code'>;
  readonly #seconds: Histogram<'registry'>;
  readonly #digestMismatches: Counter<'registry'>;
  readonly #pullsRemaining = new Map<string, { readonly count: number; readonly atMs: number }>();
  readonly #now: () => number;
  readonly #breakersOpen: Gauge<'registry'>;
  readonly #deniedFast: Counter<'registry'>;
  #missingDigests = (): ReadonlyMap<string, number> => new Map();

  constructor(registry: Registry, now: () => number) {
    const registers = [registry];
    const pullsRemaining = this.#pullsRemaining;
    const registryLabel = this.#label;
    const missingDigests = (): ReadonlyMap<string, number> => this.#missingDigests();
    this.#now = now;
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
    this.#digestMismatches = new Counter({
      name: 'samebytes_registry_digest_mismatches_total',
      help: 'Manifests whose digest header named other bytes; the digest of the bytes was used.',
      labelNames: ['registry'],
      registers,
    });
    registry.registerMetric(
      new Gauge({
        name: 'samebytes_registry_pulls_remaining',
        help: 'Pulls that the registry says are left, by its last answer of six hours (Docker Hub: ratelimit-remaining).',
        labelNames: ['registry'],
        registers: [],
        collect() {
          this.reset();
          for (const [label, { count, atMs }] of pullsRemaining) {
            if (now() - atMs <= PULLS_WINDOW_MS) this.set({ registry: label }, count);
          }
        },
      }),
    );
    this.#breakersOpen = new Gauge({
      name: 'samebytes_registry_breakers_open',
      help: 'Breakers that are open: the registry, a repository of it or a credential is not asked for a while.',
      labelNames: ['registry'],
      registers,
    });
    this.#deniedFast = new Counter({
      name: 'samebytes_registry_denied_fast_total',
      help: 'Questions that an open breaker answered in place of the registry.',
      labelNames: ['registry'],
      registers,
    });
    registry.registerMetric(
      new Gauge({
        name: 'samebytes_pinned_digests_missing',
        help: 'Images that Pods got from pins within a day, and that their registry does not have any more.',
        labelNames: ['registry'],
        registers: [],
        collect() {
          this.reset();
          for (const [host, count] of missingDigests()) this.inc({ registry: registryLabel.of(host) }, count);
        },
      }),
    );
  }

  /** These registries are counted under their names, however many others Pods' authors bring up before them. */
  reserveNames(registries: Iterable<string>): void {
    this.#label.reserve(registries);
  }

  /** From now on `countByRegistry` is asked whenever metrics are asked for. */
  watchMissingDigests(countByRegistry: () => ReadonlyMap<string, number>): void {
    this.#missingDigests = countByRegistry;
  }

  readonly countRequest = ({ registry, method, code, durationMs }: RegistryRequestEvent): void => {
    const label = this.#label.of(registry);
    this.#requests.inc({ registry: label, method, code: boundedCode(code) });
    this.#seconds.observe({ registry: label }, durationMs / 1000);
  };

  readonly countDigestMismatch = (registry: string): void => {
    this.#digestMismatches.inc({ registry: this.#label.of(registry) });
  };

  /** Not for registries past the bound: one value of many would mean nothing. */
  readonly setPullsRemaining = (registry: string, remaining: number): void => {
    const label = this.#label.of(registry);
    if (label === registry) this.#pullsRemaining.set(label, { count: remaining, atMs: this.#now() });
  };

  readonly changeBreakersOpen = (registry: string, change: 1 | -1): void => {
    this.#breakersOpen.inc({ registry: this.#label.of(registry) }, change);
  };

  readonly countDeniedFast = (registry: string): void => {
    this.#deniedFast.inc({ registry: this.#label.of(registry) });
  };
}

/** What a gateway says where the client went away; no standard names it, and alerts count it among the failures. */
const CLIENT_CLOSED_REQUEST = '499';

/** A registry chooses its statuses: those that nobody has registered are counted by their class. */
function boundedCode(code: string): string {
  const isMadeUp = /^\d+$/.test(code) && STATUS_CODES[code] === undefined && code !== CLIENT_CLOSED_REQUEST;
  return isMadeUp ? `${code.slice(0, 1)}xx` : code;
}
