import { beforeEach, describe, expect, test } from '@jest/globals';
import { Dashboard, SAMPLE_EVERY_MS } from '../../../src/dashboard/dashboard.ts';
import type { SampleSource } from '../../../src/dashboard/numbers.ts';
import type { State } from '../../../src/dashboard/state.ts';
import type { CacheResult } from '../../../src/telemetry/cache-result.ts';
import { NOT_WAITED } from '../../../src/telemetry/waits.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';

const EVERYTHING = { pointMs: -1, version: -1 };
const SHOWN = {
  name: 'samebytes-1',
  namespace: 'samebytes',
  version: '0.1.0',
  since: '2026-11-25T12:00:00Z',
};

let nowMs: number;
let metrics: Metrics;
let dashboard: Dashboard;
beforeEach(() => {
  nowMs = 1_000_000;
  metrics = new Metrics({ processMetrics: false });
  dashboard = dashboardOf(metrics);
});

function dashboardOf(source: SampleSource): Dashboard {
  return new Dashboard({ metrics: source, process: SHOWN, now: () => new Date(nowMs) });
}

/** Lets time pass and takes the points that belong to it. */
async function pass(points: number): Promise<void> {
  for (let point = 0; point < points; point += 1) {
    nowMs += SAMPLE_EVERY_MS;
    await dashboard.sample();
  }
}

async function state(): Promise<State> {
  return dashboard.state(EVERYTHING);
}

function admit(outcome: string, { times = 1, durationMs = 1 } = {}): void {
  metrics.admissions.count({ outcome, optOutsRefused: 0, failures: [] }, times);
  for (let time = 0; time < times; time += 1) metrics.admissions.time({ durationMs, waited: NOT_WAITED });
}

function lookIntoPins(...results: readonly CacheResult[]): void {
  for (const result of results) metrics.caches.countRequest('pin', result);
}

function ask(registry: string, code: string, times = 1): void {
  for (let time = 0; time < times; time += 1)
    metrics.registries.countRequest({ registry, method: 'HEAD', code, durationMs: 10 });
}

test('its totals are those of /metrics', async () => {
  admit('pinned', { times: 2 });
  admit('refused');
  lookIntoPins('hit', 'hit', 'miss');
  metrics.pins.countCreated();
  ask('a.example', '200', 2);
  const { text } = await metrics.exposition();
  const shown = await state();
  for (const [outcome, count] of Object.entries(shown.admissions))
    expect(text).toContain(`samebytes_admissions_total{outcome="${outcome}"} ${count}\n`);
  for (const [result, count] of Object.entries(shown.caches['pin'] ?? {}))
    expect(text).toContain(`samebytes_cache_requests_total{cache="pin",result="${result}"} ${count}\n`);
  expect(text).toContain(`samebytes_pins_created_total ${shown.pinsCreated}\n`);
  expect(shown).toMatchObject({
    process: SHOWN,
    admissions: { pinned: 2, refused: 1 },
    caches: { pin: { hit: 2, miss: 1 } },
    registries: [{ registry: 'a.example', requests: 2, failed: 0 }],
  });
});

test('what never happened is not told, though metrics may begin it at 0', async () => {
  admit('pinned');
  const zero = {
    value: 0,
    labels: new Map([
      ['outcome', 'refused'],
      ['cache', 'tag'],
      ['result', 'hit'],
    ]),
  };
  dashboard = dashboardOf({
    samples: async (name) => [...(await metrics.samples(name)), { name, ...zero }],
  });
  await pass(1);
  expect(await state()).toMatchObject({
    admissions: { pinned: 1 },
    caches: { tag: {} },
    points: [{ admissions: { pinned: 1 }, hitRatios: {} }],
  });
  expect((await state()).admissions).not.toHaveProperty('refused');
});

describe('a point', () => {
  test('shows the minute before it, and no more', async () => {
    admit('refused');
    lookIntoPins('miss');
    await pass(1);
    expect((await state()).points.at(-1)).toMatchObject({
      admissions: { refused: 1 },
      hitRatios: { pin: 0 },
    });
    admit('pinned');
    lookIntoPins('hit', 'hit', 'hit');
    await pass(1);
    expect((await state()).points.at(-1)).toMatchObject({
      admissions: { refused: 1, pinned: 1 },
      hitRatios: { pin: 0.75 },
    });
    await pass(11);
    expect((await state()).points.at(-1)).toMatchObject({ admissions: { pinned: 1 }, hitRatios: { pin: 1 } });
    await pass(1);
    expect((await state()).points.at(-1)).toEqual({ atMs: nowMs, admissions: {}, hitRatios: {} });
  });

  test('counts as hits all looks that asked nobody anew, as Grafana and the alert do', async () => {
    lookIntoPins('miss', 'coalesced', 'hit', 'negative');
    await pass(1);
    expect((await state()).points.at(-1)).toMatchObject({ hitRatios: { pin: 0.75 } });
  });

  test('has the latency of that minute from the histogram of /metrics', async () => {
    admit('pinned', { times: 98, durationMs: 3 });
    admit('pinned', { times: 2, durationMs: 2_000 });
    await pass(1);
    const latency = (await state()).points.at(-1)?.latencyMs;
    // Between 2.5 and 5 ms lie 98, the other two between 1 and 2.5 s.
    expect(latency?.p50).toBeCloseTo(2.5 + (2.5 * 50) / 98, 6);
    expect(latency?.p99).toBeCloseTo(1_750, 6);
  });
});

test('a quarter of an hour is kept, and a page that was away gets what it missed', async () => {
  await pass(400);
  const { points } = await state();
  expect(points).toHaveLength(180);
  expect(points.at(-1)?.atMs).toBe(nowMs);
  expect(points.at(0)?.atMs).toBe(nowMs - 179 * SAMPLE_EVERY_MS);
  const missed = await dashboard.state({ pointMs: nowMs - 2 * SAMPLE_EVERY_MS, version: 0 });
  expect(missed.points).toEqual(points.slice(-2));
  expect(missed.recent).toBeUndefined();
});

test('after the clock was set back, what it told before is forgotten, and points go on', async () => {
  await pass(5);
  const last = nowMs;
  nowMs -= 2.5 * SAMPLE_EVERY_MS;
  await pass(1);
  const { points } = await dashboard.state({ pointMs: last, version: -1 });
  expect(points.map(({ atMs }) => (atMs - 1_000_000) / SAMPLE_EVERY_MS)).toEqual([1, 2, 3, 3.5]);
});

describe('a registry', () => {
  test.each([
    ['answers', ['200', '404', '401', '403', '412', '4xx']],
    ['fails', ['unreachable', '503', '5xx', 'certificate']],
    ['some_fail', ['200', 'unreachable']],
    ['fails', ['499']],
    ['throttles', ['429', '429', '200']],
    ['some_fail', ['429', '200']],
  ])('is told as %s after %j', async (health, codes) => {
    for (const code of codes) ask('a.example', code);
    await pass(1);
    expect((await state()).registries).toMatchObject([{ registry: 'a.example', health, askedAtMs: nowMs }]);
  });

  test('keeps its health while nobody asks it', async () => {
    ask('a.example', 'unreachable', 3);
    await pass(1);
    const askedAtMs = nowMs;
    await pass(60);
    expect((await state()).registries).toMatchObject([
      { health: 'fails', askedAtMs, requests: 3, failed: 3 },
    ]);
  });

  test('that came back is not held to what it did more than a minute ago', async () => {
    ask('a.example', 'unreachable', 3);
    await pass(13);
    ask('a.example', '200');
    await pass(1);
    expect((await state()).registries).toMatchObject([{ health: 'answers', requests: 4, failed: 3 }]);
  });

  test('is not blamed for what we broke off ourselves', async () => {
    ask('a.example', 'cancelled', 3);
    await pass(1);
    expect((await state()).registries).toMatchObject([{ health: 'not_asked', requests: 0, failed: 0 }]);
  });

  test('shows the pulls that are left and the breakers that are open, where metrics tell them', async () => {
    const gauges: Readonly<Record<string, number>> = {
      samebytes_registry_pulls_remaining: 87,
      samebytes_registry_breakers_open: 2,
    };
    ask('docker.io', '200');
    dashboard = dashboardOf({
      samples: async (metric) => {
        const value = gauges[metric];
        const labels = new Map([['registry', 'docker.io']]);
        return value === undefined ? metrics.samples(metric) : [{ name: metric, labels, value }];
      },
    });
    expect((await state()).registries).toMatchObject([{ pullsRemaining: 87, breakersOpen: 2 }]);
  });
});
