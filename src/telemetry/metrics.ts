import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { CountCacheRequest } from './cache-result.ts';
import type { RegistryRequestEvent } from './registry-events.ts';

/** Label values are bounded: past this many registries, further ones are counted as `other`. */
const MAX_REGISTRY_LABELS = 100;
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Everything that is counted, in a Prometheus registry of its own. Names are a promise to users. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #registries = new Set<string>();
  readonly #admissions: Counter<'outcome'>;
  readonly #admissionSeconds: Histogram;
  readonly #cacheRequests: Counter<'cache' | 'result'>;
  readonly #registryRequests: Counter<'registry' | 'method' | 'code'>;
  readonly #registrySeconds: Histogram<'registry'>;
  readonly #digestMismatches: Counter<'registry'>;
  readonly #pullsRemaining: Gauge<'registry'>;
  readonly #breakersOpen: Gauge<'registry'>;
  readonly #deniedFast: Counter<'registry'>;
  readonly #pinsCreated: Counter;
  readonly #pinConflicts: Counter;
  readonly #revisionsSplit: Counter;
  readonly #podsLeftAlone: Counter;
  readonly #optOutsRefused: Counter;
  readonly #events: Counter<'result'>;

  constructor({ processMetrics }: { processMetrics: boolean }) {
    const registers = [this.#registry];
    if (processMetrics) collectDefaultMetrics({ register: this.#registry });
    this.#admissions = new Counter({
      name: 'samebytes_admissions_total',
      help: 'Admission requests, by what each came to.',
      labelNames: ['outcome'],
      registers,
    });
    this.#admissionSeconds = new Histogram({
      name: 'samebytes_admission_duration_seconds',
      help: 'Time from the arrival of an admission request to its answer.',
      buckets: SECONDS_BUCKETS,
      registers,
    });
    this.#cacheRequests = new Counter({
      name: 'samebytes_cache_requests_total',
      help: 'Looks into a cache (pin, tag, challenge, token, credentials), by result (hit, miss, coalesced, stale, negative).',
      labelNames: ['cache', 'result'],
      registers,
    });
    this.#registryRequests = new Counter({
      name: 'samebytes_registry_requests_total',
      help: 'Manifest requests to registries, by registry, method and status code or kind of failure.',
      labelNames: ['registry', 'method', 'code'],
      registers,
    });
    this.#registrySeconds = new Histogram({
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
    this.#pullsRemaining = new Gauge({
      name: 'samebytes_registry_pulls_remaining',
      help: 'Pulls that the registry says are left, by its last answer (Docker Hub: ratelimit-remaining).',
      labelNames: ['registry'],
      registers,
    });
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
    this.#pinsCreated = new Counter({
      name: 'samebytes_pins_created_total',
      help: 'Revisions that got a pin from this process.',
      registers,
    });
    this.#pinConflicts = new Counter({
      name: 'samebytes_pin_conflicts_total',
      help: 'Writes of a pin that another process was faster with; its digests were used.',
      registers,
    });
    this.#revisionsSplit = new Counter({
      name: 'samebytes_revisions_split_total',
      help: 'Births of revisions whose Pods run different digests of one reference already.',
      registers,
    });
    this.#podsLeftAlone = new Counter({
      name: 'samebytes_pods_left_alone_total',
      help: 'Pods that are left alone since they were recreated over and over right after they were pinned.',
      registers,
    });
    this.#optOutsRefused = new Counter({
      name: 'samebytes_opt_outs_refused_total',
      help: "Images whose Pod's annotation asked for a policy that the operator's rules do not allow.",
      registers,
    });
    this.#events = new Counter({
      name: 'samebytes_events_total',
      help: 'Kubernetes events about owners of Pods, by result (written, limited, dropped, failed).',
      labelNames: ['result'],
      registers,
    });
  }

  readonly countEvent = (result: 'written' | 'limited' | 'dropped' | 'failed'): void => {
    this.#events.inc({ result });
  };

  readonly countCacheRequest: CountCacheRequest = (cache, result) => {
    this.#cacheRequests.inc({ cache, result });
  };

  readonly countRegistryRequest = ({ registry, method, code, durationMs }: RegistryRequestEvent): void => {
    const label = this.#registryLabel(registry);
    this.#registryRequests.inc({ registry: label, method, code });
    this.#registrySeconds.observe({ registry: label }, durationMs / 1000);
  };

  readonly countDigestMismatch = (registry: string): void => {
    this.#digestMismatches.inc({ registry: this.#registryLabel(registry) });
  };

  /** Not for registries past the bound: one value of many would mean nothing. */
  readonly setPullsRemaining = (registry: string, remaining: number): void => {
    const label = this.#registryLabel(registry);
    if (label === registry) this.#pullsRemaining.set({ registry: label }, remaining);
  };

  readonly changeBreakersOpen = (registry: string, change: 1 | -1): void => {
    this.#breakersOpen.inc({ registry: this.#registryLabel(registry) }, change);
  };

  readonly countDeniedFast = (registry: string): void => {
    this.#deniedFast.inc({ registry: this.#registryLabel(registry) });
  };

  countAdmission(outcome: string, durationMs: number, optOutsRefused: number): void {
    this.#admissions.inc({ outcome });
    this.#admissionSeconds.observe(durationMs / 1000);
    if (optOutsRefused > 0) this.#optOutsRefused.inc(optOutsRefused);
  }

  countPinCreated(): void {
    this.#pinsCreated.inc();
  }

  countPinConflict(): void {
    this.#pinConflicts.inc();
  }

  countRevisionSplit(): void {
    this.#revisionsSplit.inc();
  }

  countPodLeftAlone(): void {
    this.#podsLeftAlone.inc();
  }

  /** The exposition text and its content type. */
  async exposition(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #registryLabel(registry: string): string {
    if (this.#registries.has(registry)) return registry;
    if (this.#registries.size >= MAX_REGISTRY_LABELS) return 'other';
    this.#registries.add(registry);
    return registry;
  }
}
