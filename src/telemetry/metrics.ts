import { collectDefaultMetrics, Registry } from 'prom-client';
import { AdmissionMetrics } from './metrics/admission-metrics.ts';
import { CacheMetrics } from './metrics/cache-metrics.ts';
import { EventMetrics } from './metrics/event-metrics.ts';
import { LimitMetrics } from './metrics/limit-metrics.ts';
import { PinMetrics } from './metrics/pin-metrics.ts';
import { ProcessMetrics } from './metrics/process-metrics.ts';
import { RegistryMetrics } from './metrics/registry-metrics.ts';

/** One value of a metric, as /metrics shows it: a histogram has several names (`…_bucket`, `…_sum`, `…_count`). */
export interface MetricSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/**
 * Everything that is counted, by topic, in a Prometheus registry of its own. Names are a promise to users;
 * docs/metrics.md explains each, and a test holds the two lists equal.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly admissions = new AdmissionMetrics(this.#registry);
  readonly caches = new CacheMetrics(this.#registry);
  readonly limits = new LimitMetrics(this.#registry);
  readonly registries: RegistryMetrics;
  readonly pins = new PinMetrics(this.#registry);
  readonly events = new EventMetrics(this.#registry);
  readonly process = new ProcessMetrics(this.#registry);
  #beforeReading = (): void => {};

  /**
   * `processMetrics`: those of the Node.js process, too (memory, CPU, the event loop's delay). `now`: milliseconds of a clock
   * that never goes back.
   */
  constructor({
    processMetrics,
    now = () => performance.now(),
  }: {
    processMetrics: boolean;
    now?: () => number;
  }) {
    this.registries = new RegistryMetrics(this.#registry, now);
    if (processMetrics) collectDefaultMetrics({ register: this.#registry });
  }

  /** To be called each time before anybody is shown a value. */
  beforeReading(prepare: () => void): void {
    this.#beforeReading = prepare;
  }

  /** The exposition text and its content type. */
  async exposition(): Promise<{ contentType: string; text: string }> {
    this.#beforeReading();
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  /** The values of one metric, as /metrics shows them now; none where there is no such metric. */
  async samples(metric: string): Promise<readonly MetricSample[]> {
    this.#beforeReading();
    const { values } = (await this.#registry.getSingleMetric(metric)?.get()) ?? { values: [] };
    return values.map((value) => ({
      name: 'metricName' in value ? String(value.metricName) : metric,
      labels: new Map(Object.entries(value.labels).map(([label, text]) => [label, String(text)])),
      value: value.value,
    }));
  }
}
