import { describe, expect, test } from '@jest/globals';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import { BoundedCache } from '../../../src/telemetry/bounded-cache.ts';
import type { CountedDecision, TimedAdmission } from '../../../src/telemetry/metrics/admission-metrics.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { FakeClock } from '../../support/clock.ts';
import { NOT_WAITED } from '../../../src/telemetry/waits.ts';
import type { RegistryRequestEvent } from '../../../src/telemetry/registry-events.ts';

function newMetrics(): Metrics {
  return new Metrics({ processMetrics: false });
}

/** The value of one sample; undefined where it is not exposed. */
async function sample(metrics: Metrics, name: string): Promise<number | undefined> {
  const { text } = await metrics.exposition();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

/** One request that was answered. */
function admit(metrics: Metrics, fields: Partial<CountedDecision & TimedAdmission> = {}): void {
  const { outcome = 'pinned', optOutsRefused = 0, failures = [] } = fields;
  const { durationMs = 4, waited = NOT_WAITED } = fields;
  metrics.admissions.time({ durationMs, waited });
  metrics.admissions.count({ outcome, optOutsRefused, failures }, 1);
}

function request(registry: string, code = '200'): RegistryRequestEvent {
  return { registry, method: 'HEAD', code, durationMs: 20 };
}

function countOf(registry: string, code = '200'): string {
  return `samebytes_registry_requests_total{registry="${registry}",method="HEAD",code="${code}"}`;
}

describe('the metrics', () => {
  test('come in the text format that Prometheus reads', async () => {
    const { contentType } = await newMetrics().exposition();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  test('hold those of the process only where asked for, the event loop’s delay among them', async () => {
    const { text } = await new Metrics({ processMetrics: true }).exposition();
    expect(text).toMatch(/^process_start_time_seconds /m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
    expect((await newMetrics().exposition()).text).not.toMatch(/process_|nodejs_/);
  });

  test('are made ready each time before anybody is shown a value', async () => {
    const metrics = newMetrics();
    metrics.beforeReading(() => metrics.pins.countCreated());
    expect(await sample(metrics, 'samebytes_pins_created_total')).toBe(1);
    expect(await metrics.samples('samebytes_pins_created_total')).toMatchObject([{ value: 2 }]);
  });

  test('of two webhooks in one process are apart', async () => {
    const [one, two] = [newMetrics(), newMetrics()];
    one.pins.countCreated();
    expect(await sample(two, 'samebytes_pins_created_total')).toBe(0);
  });

  test('say what each is, in a sentence', async () => {
    const { text } = await newMetrics().exposition();
    const helps = [...text.matchAll(/^# HELP \S+ (.*)$/gm)].map(([, help = '']) => help);
    expect(helps.length).toBeGreaterThan(15);
    for (const help of helps) expect(help).toMatch(/^[A-Z0-9].{20,}\.$/);
  });
});

describe('admissions', () => {
  test('are counted by outcome, and their time in seconds', async () => {
    const metrics = newMetrics();
    admit(metrics);
    admit(metrics, { outcome: 'refused', durationMs: 2_000 });
    expect(await sample(metrics, 'samebytes_admissions_total{outcome="pinned"}')).toBe(1);
    expect(await sample(metrics, 'samebytes_admissions_total{outcome="refused"}')).toBe(1);
    expect(await sample(metrics, 'samebytes_admission_duration_seconds_sum')).toBeCloseTo(2.004, 9);
    expect(await sample(metrics, 'samebytes_admission_duration_seconds_bucket{le="0.0025"}')).toBe(0);
    expect(await sample(metrics, 'samebytes_admission_duration_seconds_bucket{le="0.005"}')).toBe(1);
  });

  test('that got the very same decision are counted together, each of its images as often', async () => {
    const metrics = newMetrics();
    metrics.admissions.count({ outcome: 'pinned', optOutsRefused: 2, failures: ['denied', 'denied'] }, 3);
    expect(await sample(metrics, 'samebytes_admissions_total{outcome="pinned"}')).toBe(3);
    expect(await sample(metrics, 'samebytes_opt_outs_refused_total')).toBe(6);
    expect(await sample(metrics, 'samebytes_images_failed_total{code="denied"}')).toBe(6);
  });

  test('are split into what was waited for and the rest, which add up to the whole', async () => {
    const metrics = newMetrics();
    admit(metrics, { durationMs: 40, waited: { api: 5, registry: 30 } });
    admit(metrics, { durationMs: 2 });
    const part = async (name: string, what: string): Promise<number | undefined> =>
      sample(metrics, `samebytes_admission_part_duration_seconds_${what}{part="${name}"}`);
    expect(await part('api', 'sum')).toBeCloseTo(0.005, 9);
    expect(await part('registry', 'sum')).toBeCloseTo(0.03, 9);
    expect(await part('cache', 'sum')).toBeCloseTo(0.007, 9);
    expect([
      await part('api', 'count'),
      await part('registry', 'count'),
      await part('cache', 'count'),
    ]).toEqual([1, 1, 2]);
  });

  test('count failures by code, and opt-outs only where there were any', async () => {
    const metrics = newMetrics();
    admit(metrics, { failures: ['not_found', 'not_found', 'denied'] });
    admit(metrics, { optOutsRefused: 3 });
    expect(await sample(metrics, 'samebytes_images_failed_total{code="not_found"}')).toBe(2);
    expect(await sample(metrics, 'samebytes_images_failed_total{code="denied"}')).toBe(1);
    expect(await sample(metrics, 'samebytes_opt_outs_refused_total')).toBe(3);
  });

  test('that never came begin at 0, so that Prometheus sees the first one', async () => {
    const metrics = newMetrics();
    metrics.admissions.startAtZero(['pinned', 'refused'], ['denied']);
    expect(await sample(metrics, 'samebytes_admissions_total{outcome="refused"}')).toBe(0);
    expect(await sample(metrics, 'samebytes_images_failed_total{code="denied"}')).toBe(0);
    expect(await sample(metrics, 'samebytes_admission_part_duration_seconds_count{part="api"}')).toBe(0);
  });
});

describe('caches', () => {
  test('count looks by result', async () => {
    const metrics = newMetrics();
    metrics.caches.countRequest('pin', 'hit');
    expect(await sample(metrics, 'samebytes_cache_requests_total{cache="pin",result="hit"}')).toBe(1);
    expect(await sample(metrics, 'samebytes_cache_requests_total{cache="tag",result="stale"}')).toBe(0);
  });

  test('say how full they are and what they dropped at the moment they are asked', async () => {
    const metrics = newMetrics();
    const cache = new BoundedCache<string, true>({ max: 2 });
    metrics.caches.watch({ token: cache });
    expect(await sample(metrics, 'samebytes_cache_entries{cache="token"}')).toBe(0);
    for (const key of ['a', 'b', 'c']) cache.set(key, true);
    expect(await sample(metrics, 'samebytes_cache_entries{cache="token"}')).toBe(2);
    expect(await sample(metrics, 'samebytes_cache_max_entries{cache="token"}')).toBe(2);
    // Asked again, nothing is counted twice.
    expect(await sample(metrics, 'samebytes_cache_evictions_total{cache="token"}')).toBe(1);
    expect(await sample(metrics, 'samebytes_cache_evictions_total{cache="token"}')).toBe(1);
  });
});

describe('registries', () => {
  test('count requests by registry, method and code, and their time in seconds', async () => {
    const metrics = newMetrics();
    metrics.registries.countRequest(request('docker.io'));
    metrics.registries.countRequest(request('docker.io', 'unreachable'));
    expect(await sample(metrics, countOf('docker.io'))).toBe(1);
    expect(await sample(metrics, countOf('docker.io', 'unreachable'))).toBe(1);
    const sum = 'samebytes_registry_request_duration_seconds_sum{registry="docker.io"}';
    expect(await sample(metrics, sum)).toBeCloseTo(0.04, 9);
  });

  test('have a hundred names, and all further ones are other', async () => {
    const metrics = newMetrics();
    for (let index = 0; index < 250; index += 1) metrics.registries.countRequest(request(`r${index}.test`));
    metrics.registries.countRequest(request('r7.test'));
    const { text } = await metrics.exposition();
    expect(new Set(text.match(/registry="[^"]*"/g)).size).toBe(101);
    expect(await sample(metrics, countOf('r7.test'))).toBe(2);
    expect(await sample(metrics, countOf('r100.test'))).toBeUndefined();
    expect(await sample(metrics, countOf('other'))).toBe(150);
    expect(await sample(metrics, 'samebytes_registry_request_duration_seconds_count{registry="other"}')).toBe(
      150,
    );
  });

  test('whose gateway gives up with 499 are counted so, as the alert looks for it', async () => {
    const metrics = newMetrics();
    metrics.registries.countRequest(request('r.test', '499'));
    expect(await sample(metrics, countOf('r.test', '499'))).toBe(1);
  });

  test('that an operator listed keep their names, however many others came first', async () => {
    const metrics = newMetrics();
    metrics.registries.reserveNames(['ours.test']);
    for (let index = 0; index < 250; index += 1) metrics.registries.countRequest(request(`r${index}.test`));
    metrics.registries.countRequest(request('ours.test'));
    expect(await sample(metrics, countOf('ours.test'))).toBe(1);
    expect(await sample(metrics, countOf('r99.test'))).toBe(1);
    expect(await sample(metrics, countOf('other'))).toBe(150);
  });

  test('cannot make up codes without end: a status that no standard names counts by its class', async () => {
    const metrics = newMetrics();
    for (let status = 600; status < 700; status += 1)
      metrics.registries.countRequest(request('r.test', String(status)));
    metrics.registries.countRequest(request('r.test', '429'));
    const { text } = await metrics.exposition();
    expect(text.match(/^samebytes_registry_requests_total\{.*$/gm)).toHaveLength(2);
    expect(await sample(metrics, countOf('r.test', '6xx'))).toBe(100);
    expect(await sample(metrics, countOf('r.test', '429'))).toBe(1);
  });
});

describe('pins and the process', () => {
  test('say whether pins are remembered at the moment they are asked', async () => {
    const metrics = newMetrics();
    let isOpen = false;
    metrics.pins.watchMemory(() => isOpen);
    expect(await sample(metrics, 'samebytes_pin_memory_open')).toBe(0);
    isOpen = true;
    expect(await sample(metrics, 'samebytes_pin_memory_open')).toBe(1);
  });

  test('say when the serving certificate expires, and nothing before there is one', async () => {
    const metrics = newMetrics();
    const name = 'samebytes_certificate_expiry_timestamp_seconds';
    expect(await sample(metrics, name)).toBeUndefined();
    const notBefore = new Date('2026-05-01T00:00:00Z');
    const { ca, serving } = await issueCertificates({ names: ['localhost'], notBefore, validDays: 10 });
    metrics.process.tellCertificate(`${serving.cert}${ca.cert}`);
    expect(await sample(metrics, name)).toBe(Date.UTC(2026, 4, 11) / 1000);
  });

  test('say which version runs', async () => {
    const metrics = newMetrics();
    metrics.process.tellVersion('1.2.3');
    expect(await sample(metrics, 'samebytes_build_info{version="1.2.3"}')).toBe(1);
  });
});

describe('what a registry does is counted by its host', () => {
  test('breakers that open and close, denials in its place, lies about digests, pulls that are left', async () => {
    const metrics = newMetrics();
    const { registries } = metrics;
    registries.changeBreakersOpen('docker.io', 1);
    registries.changeBreakersOpen('docker.io', 1);
    registries.changeBreakersOpen('docker.io', -1);
    registries.countDeniedFast('docker.io');
    registries.countDigestMismatch('docker.io');
    registries.setPullsRemaining('docker.io', 76);
    for (const [name, value] of [
      ['breakers_open', 1],
      ['denied_fast_total', 1],
      ['digest_mismatches_total', 1],
      ['pulls_remaining', 76],
    ] as const) {
      expect(await sample(metrics, `samebytes_registry_${name}{registry="docker.io"}`)).toBe(value);
    }
  });

  test('pulls that are left are forgotten when a registry has not spoken of them for six hours', async () => {
    const clock = new FakeClock();
    const metrics = new Metrics({ processMetrics: false, now: clock.now });
    const name = 'samebytes_registry_pulls_remaining{registry="docker.io"}';
    metrics.registries.setPullsRemaining('docker.io', 3);
    clock.advance(6 * 3_600_000 - 1);
    expect(await sample(metrics, name)).toBe(3);
    clock.advance(2);
    expect(await sample(metrics, name)).toBeUndefined();
    metrics.registries.setPullsRemaining('docker.io', 0);
    expect(await sample(metrics, name)).toBe(0);
  });

  test('digests that are missing, as they are when metrics are asked for, past the bound as other', async () => {
    const metrics = newMetrics();
    let missing = new Map([['docker.io', 2]]);
    metrics.registries.watchMissingDigests(() => missing);
    expect(await sample(metrics, 'samebytes_pinned_digests_missing{registry="docker.io"}')).toBe(2);
    missing = new Map(Array.from({ length: 101 }, (_, index) => [`r${index}.test`, 1]));
    expect(await sample(metrics, 'samebytes_pinned_digests_missing{registry="docker.io"}')).toBeUndefined();
    // `docker.io` keeps its name.
    expect(await sample(metrics, 'samebytes_pinned_digests_missing{registry="other"}')).toBe(2);
  });

  test('but not the pulls that are left at registries past the bound, of which one value says nothing', async () => {
    const metrics = newMetrics();
    for (let index = 0; index < 150; index += 1)
      metrics.registries.setPullsRemaining(`r${index}.test`, index);
    const { text } = await metrics.exposition();
    expect([...text.matchAll(/^samebytes_registry_pulls_remaining\{/gm)]).toHaveLength(100);
    expect(text).not.toContain('registry="other"');
  });
});
