import type { MetricSample } from '../telemetry/metrics.ts';
import type { HistogramCounts } from './quantile.ts';

/** Where numbers come from: the very metrics that /metrics shows, so that the two cannot differ. */
export interface SampleSource {
  samples(metric: string): Promise<readonly MetricSample[]>;
}

/** Manifest requests to one registry since the process started, by how they ended. */
export interface RegistryCounts {
  readonly answered: number;
  /** No answer, or a server error. */
  readonly failed: number;
  /** Answered with 408 or 429. */
  readonly throttled: number;
}

/** All that the page shows in numbers, counted since the process started. */
export interface Numbers {
  readonly admissions: ReadonlyMap<string, number>;
  /** By cache, by result. */
  readonly caches: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly admissionSeconds: HistogramCounts;
  readonly registries: ReadonlyMap<string, RegistryCounts>;
  /** Pulls that a registry says are left, where it says so. */
  readonly pullsRemaining: ReadonlyMap<string, number>;
  /** How many breakers are open, by registry. */
  readonly breakersOpen: ReadonlyMap<string, number>;
  readonly pinsCreated: number;
}

/** Numbers before anything was counted. */
export const NO_NUMBERS: Numbers = {
  admissions: new Map(),
  caches: new Map(),
  admissionSeconds: { count: 0, buckets: [] },
  registries: new Map(),
  pullsRemaining: new Map(),
  breakersOpen: new Map(),
  pinsCreated: 0,
};

/** Reads the numbers as they stand now. A metric that this version does not count is empty. */
export async function readNumbers(source: SampleSource): Promise<Numbers> {
  const [admissions, caches, seconds, requests, remaining, breakers, pins] = await Promise.all([
    source.samples('samebytes_admissions_total'),
    source.samples('samebytes_cache_requests_total'),
    source.samples('samebytes_admission_duration_seconds'),
    source.samples('samebytes_registry_requests_total'),
    source.samples('samebytes_registry_pulls_remaining'),
    source.samples('samebytes_registry_breakers_open'),
    source.samples('samebytes_pins_created_total'),
  ]);
  return {
    admissions: withoutZeros(sumsBy(admissions, 'outcome')),
    caches: new Map(
      [...groupsBy(caches, 'cache')].map(([cache, samples]) => [
        cache,
        withoutZeros(sumsBy(samples, 'result')),
      ]),
    ),
    admissionSeconds: histogramCounts(seconds),
    registries: new Map(
      [...groupsBy(requests, 'registry')].map(([registry, samples]) => [registry, registryCounts(samples)]),
    ),
    pullsRemaining: sumsBy(remaining, 'registry'),
    breakersOpen: sumsBy(breakers, 'registry'),
    pinsCreated: sum(pins),
  };
}

function registryCounts(samples: readonly MetricSample[]): RegistryCounts {
  const counts = { answered: 0, failed: 0, throttled: 0 };
  for (const { labels, value } of samples) {
    const kind = kindOf(labels.get('code') ?? '');
    if (kind !== undefined) counts[kind] += value;
  }
  return counts;
}

/** What a status, or what stands for it where no answer came, says of a registry; of ours nothing is its fault. */
function kindOf(code: string): keyof RegistryCounts | undefined {
  if (code === 'cancelled') return undefined;
  if (code === '408' || code === '429' || code === 'throttled') return 'throttled';
  // A gateway's word for a client that went away, as an alert and Grafana take it.
  if (code === '499') return 'failed';
  // Metrics name statuses that nobody has registered by their class.
  return /^[1-4](\d\d|xx)$/.test(code) ? 'answered' : 'failed';
}

function histogramCounts(samples: readonly MetricSample[]): HistogramCounts {
  const named = (end: string): MetricSample[] => samples.filter(({ name }) => name.endsWith(end));
  const buckets = named('_bucket').map(({ labels, value }) => ({
    // prom-client writes the last bound as +Inf.
    upTo: labels.get('le') === '+Inf' ? Infinity : Number(labels.get('le')),
    count: value,
  }));
  return { count: sum(named('_count')), buckets };
}

function groupsBy(samples: readonly MetricSample[], label: string): Map<string, MetricSample[]> {
  return Map.groupBy(samples, ({ labels }) => labels.get(label) ?? '');
}

function sumsBy(samples: readonly MetricSample[], label: string): Map<string, number> {
  return new Map([...groupsBy(samples, label)].map(([name, group]) => [name, sum(group)]));
}

/** What never happened is not told, whether metrics begin it at 0 or leave it out. */
function withoutZeros(counts: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...counts].filter(([, count]) => count !== 0));
}

function sum(samples: readonly MetricSample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}
