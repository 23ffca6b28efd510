import { describe, expect, test } from '@jest/globals';
import { Metrics } from '../../../src/telemetry/metrics.ts';

/** The value of one sample; undefined where it is not exposed. */
async function sample(metrics: Metrics, name: string): Promise<number | undefined> {
  const { text } = await metrics.exposition();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

function request(registry: string): Parameters<Metrics['countRegistryRequest']>[0] {
  return { registry, method: 'HEAD', code: '200', durationMs: 20 };
}

function countOf(registry: string): string {
  return `samebytes_registry_requests_total{registry="${registry}",method="HEAD",code="200"}`;
}

describe('the metrics', () => {
  test('have the names and labels that users were promised', async () => {
    const metrics = new Metrics({ processMetrics: false });
    metrics.countAdmission('pinned', 4, 2);
    metrics.countCacheRequest('pin', 'hit');
    metrics.countRegistryRequest(request('docker.io'));
    metrics.countPinCreated();
    metrics.countEvent('dropped');
    const { text, contentType } = await metrics.exposition();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    expect(types.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'samebytes_admission_duration_seconds histogram',
      'samebytes_admissions_total counter',
      'samebytes_cache_requests_total counter',
      'samebytes_events_total counter',
      'samebytes_opt_outs_refused_total counter',
      'samebytes_pin_conflicts_total counter',
      'samebytes_pins_created_total counter',
      'samebytes_pods_left_alone_total counter',
      'samebytes_registry_breakers_open gauge',
      'samebytes_registry_denied_fast_total counter',
      'samebytes_registry_digest_mismatches_total counter',
      'samebytes_registry_pulls_remaining gauge',
      'samebytes_registry_request_duration_seconds histogram',
      'samebytes_registry_requests_total counter',
      'samebytes_revisions_split_total counter',
    ]);
    expect(await sample(metrics, 'samebytes_admissions_total{outcome="pinned"}')).toBe(1);
    expect(await sample(metrics, 'samebytes_cache_requests_total{cache="pin",result="hit"}')).toBe(1);
    const requests = 'samebytes_registry_requests_total{registry="docker.io",method="HEAD",code="200"}';
    expect(await sample(metrics, requests)).toBe(1);
    expect(await sample(metrics, 'samebytes_opt_outs_refused_total')).toBe(2);
    expect(await sample(metrics, 'samebytes_pins_created_total')).toBe(1);
    expect(await sample(metrics, 'samebytes_events_total{result="dropped"}')).toBe(1);
  });

  test('count durations in seconds', async () => {
    const metrics = new Metrics({ processMetrics: false });
    metrics.countAdmission('pinned', 4, 0);
    metrics.countRegistryRequest(request('docker.io'));
    expect(await sample(metrics, 'samebytes_admission_duration_seconds_sum')).toBeCloseTo(0.004, 9);
    const sum = 'samebytes_registry_request_duration_seconds_sum{registry="docker.io"}';
    expect(await sample(metrics, sum)).toBeCloseTo(0.02, 9);
    expect(await sample(metrics, 'samebytes_admission_duration_seconds_bucket{le="0.0025"}')).toBe(0);
    expect(await sample(metrics, 'samebytes_admission_duration_seconds_bucket{le="0.005"}')).toBe(1);
  });

  test('count opt-outs only where there were any', async () => {
    const metrics = new Metrics({ processMetrics: false });
    metrics.countAdmission('pinned', 1, 0);
    metrics.countAdmission('pinned', 1, 3);
    metrics.countAdmission('refused', 1, 1);
    expect(await sample(metrics, 'samebytes_opt_outs_refused_total')).toBe(4);
    expect(await sample(metrics, 'samebytes_admissions_total{outcome="pinned"}')).toBe(2);
  });

  test('hold those of the process only where asked for', async () => {
    const { text } = await new Metrics({ processMetrics: true }).exposition();
    expect(text).toMatch(/^process_start_time_seconds /m);
    expect((await new Metrics({ processMetrics: false }).exposition()).text).not.toContain('process_');
  });

  test('of two webhooks in one process are apart', async () => {
    const [one, two] = [new Metrics({ processMetrics: false }), new Metrics({ processMetrics: false })];
    one.countPinCreated();
    expect(await sample(two, 'samebytes_pins_created_total')).toBe(0);
  });
});

describe('the label registry', () => {
  test('names the first hundred registries, and counts all further ones as other', async () => {
    const metrics = new Metrics({ processMetrics: false });
    for (let index = 0; index < 250; index += 1) metrics.countRegistryRequest(request(`r${index}.test`));
    const { text } = await metrics.exposition();
    expect(new Set(text.match(/registry="[^"]*"/g)).size).toBe(101);
    expect(await sample(metrics, countOf('r99.test'))).toBe(1);
    expect(await sample(metrics, countOf('r100.test'))).toBeUndefined();
    expect(await sample(metrics, countOf('other'))).toBe(150);
    expect(await sample(metrics, 'samebytes_registry_request_duration_seconds_count{registry="other"}')).toBe(
      150,
    );
  });

  test('keeps naming a registry that it named before', async () => {
    const metrics = new Metrics({ processMetrics: false });
    for (let index = 0; index < 250; index += 1) metrics.countRegistryRequest(request(`r${index}.test`));
    metrics.countRegistryRequest(request('r7.test'));
    expect(await sample(metrics, countOf('r7.test'))).toBe(2);
  });
});

describe('what a registry does is counted by its host', () => {
  test('breakers that open and close, denials in its place, lies about digests, pulls that are left', async () => {
    const metrics = new Metrics({ processMetrics: false });
    metrics.changeBreakersOpen('docker.io', 1);
    metrics.changeBreakersOpen('docker.io', 1);
    metrics.changeBreakersOpen('docker.io', -1);
    metrics.countDeniedFast('docker.io');
    metrics.countDigestMismatch('docker.io');
    metrics.setPullsRemaining('docker.io', 76);
    for (const [name, value] of [
      ['breakers_open', 1],
      ['denied_fast_total', 1],
      ['digest_mismatches_total', 1],
      ['pulls_remaining', 76],
    ] as const) {
      expect(await sample(metrics, `samebytes_registry_${name}{registry="docker.io"}`)).toBe(value);
    }
  });

  test('but not the pulls that are left at registries past the bound, of which one value says nothing', async () => {
    const metrics = new Metrics({ processMetrics: false });
    for (let index = 0; index < 150; index += 1) metrics.setPullsRemaining(`r${index}.test`, index);
    const { text } = await metrics.exposition();
    expect([...text.matchAll(/^samebytes_registry_pulls_remaining\{/gm)]).toHaveLength(100);
    expect(text).not.toContain('registry="other"');
  });
});
