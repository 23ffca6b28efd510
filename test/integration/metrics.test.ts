import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LIMITS } from '../../src/telemetry/limits.ts';
import { BOUNDED_CACHES } from '../../src/telemetry/bounded-cache.ts';
import { BusyWebhook } from '../support/busy-webhook.ts';
import { until } from '../support/until.ts';

// What a real webhook process exposes after everything that can happen to Pods has happened.

interface Exposed {
  readonly type: string;
  /** `le` of histograms left out. */
  readonly labels: readonly string[];
}

const page = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
let busy: BusyWebhook;
let text: string;

beforeAll(async () => {
  busy = await BusyWebhook.start();
  await busy.round();
  await busy.round();
  // Ends of pins come by a watch.
  await until(
    'the ends of pins',
    async () => (await busy.metrics()).match(/^samebytes_pins_ended_total [1-9]/m) !== null,
  );
  await until(
    'a digest that is missing',
    async () => (await busy.metrics()).match(/^samebytes_pinned_digests_missing\{.*\} [1-9]/m) !== null,
  );
  text = await busy.metrics();
}, 60_000);

afterAll(async () => busy?.stop());

/** Types and label names by metric, from the exposition. */
function exposed(): Map<string, Exposed> {
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Map(
    types.map(([, name = '', type = '']) => {
      const samples = [...text.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{(.*)\\} `, 'gm'))];
      const labels = samples.flatMap(([, list = '']) =>
        [...list.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
      );
      return [name, { type, labels: [...new Set(labels)].filter((label) => label !== 'le').toSorted() }];
    }),
  );
}

/** The rows of the page's tables: name, type, and the cell after that. */
function documented(): Map<string, { type: string; next: string }> {
  const rows = [...page.matchAll(/^\| `([^`]+)`\s*\| (counter|gauge|histogram)\s*\|([^|]*)\|/gm)];
  return new Map(rows.map(([, name = '', type = '', next = '']) => [name, { type, next }]));
}

/** The value of one sample. @throws where it is not exposed. */
function value(sample: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
  if (line === undefined) throw new Error(`${sample} is not exposed`);
  return Number(line.slice(sample.length + 1));
}

test('docs/metrics.md names every metric of the process, and no other', () => {
  expect([...documented().keys()].toSorted()).toEqual([...exposed().keys()].toSorted());
});

test('docs/metrics.md says of each what type it is', () => {
  for (const [name, { type }] of exposed())
    expect([name, documented().get(name)?.type]).toEqual([name, type]);
});

test('docs/metrics.md names the labels of each metric of samebytes, and no others', () => {
  for (const [name, { labels }] of exposed()) {
    if (!name.startsWith('samebytes_')) continue;
    const named = [...(documented().get(name)?.next ?? '').matchAll(/`([a-z]+)`/g)].map(
      ([, label = '']) => label,
    );
    expect([name, ...named.toSorted()]).toEqual([name, ...labels]);
  }
});

test('every metric of samebytes has counted something by now', () => {
  const idle = [...exposed().keys()]
    .filter((name) => name.startsWith('samebytes_'))
    .filter((name) => !new RegExp(`^${name}(?:_count)?(?:\\{.*\\})? (?!0$)`, 'm').test(text))
    // Nothing went wrong between this process and the cluster.
    .filter((name) => name !== 'samebytes_pin_watch_gaps_total');
  expect(idle).toEqual([]);
});

test('the log says which tag moved, from what to what, and by which revision that is known', async () => {
  const lines = await until('a line for each move', async () => {
    const moved = busy.log.split('\n').filter((line) => line.includes('"msg":"tag moved"'));
    return moved.length === value('samebytes_tags_moved_total') && moved;
  });
  const digest = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
    expect.objectContaining({
      reference: `${busy.registry.host}/shop/web:latest`,
      from: digest,
      to: digest,
      namespace: 'shop',
      revision: expect.stringMatching(/^ReplicaSet\/rs-\d+$/),
    }),
  );
});

test('the log says which digest is missing, where, and which revision is pinned to it', async () => {
  const repository = `${busy.registry.host}/shop/gone`;
  // What the played rival wrote into a pin was never there either, and is said as well.
  const line = await until('the line', () => {
    const lines = busy.log.split('\n').filter((one) => one.includes('"msg":"pinned digest missing"'));
    return lines.find((one) => one.includes(`"repository":"${repository}"`));
  });
  expect(JSON.parse(line)).toMatchObject({
    namespace: 'shop',
    digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    revisions: [{ revision: expect.stringMatching(/^ReplicaSet\/rs-\d+$/), reference: `${repository}:1.0` }],
  });
});

test('the parts of the time of all admissions add up to the whole', () => {
  const parts = ['api', 'registry', 'cache'].map((part) =>
    value(`samebytes_admission_part_duration_seconds_sum{part="${part}"}`),
  );
  const whole = value('samebytes_admission_duration_seconds_sum');
  expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(whole, 6);
  for (const part of parts) expect(part).toBeGreaterThan(0);
});

test('admissions that were answered from memory waited for nobody', () => {
  const count = (part: string): number =>
    value(`samebytes_admission_part_duration_seconds_count{part="${part}"}`);
  expect(count('cache')).toBe(value('samebytes_admission_duration_seconds_count'));
  expect(count('api')).toBeLessThan(
    count('cache') - value('samebytes_cache_requests_total{cache="pin",result="hit"}') + 1,
  );
});

test('each bounded cache says how full it is, of how much', () => {
  // With pins in the cluster there is no store in memory.
  for (const cache of BOUNDED_CACHES.filter((name) => name !== 'memory_pin')) {
    expect(value(`samebytes_cache_entries{cache="${cache}"}`)).toBeLessThanOrEqual(
      value(`samebytes_cache_max_entries{cache="${cache}"}`),
    );
  }
  expect(value('samebytes_cache_evictions_total{cache="tag"}')).toBeGreaterThan(0);
});

test('each limit says how much of it is used, of how much', () => {
  for (const limit of LIMITS) {
    const used = value(`samebytes_limit_used{limit="${limit}"}`);
    expect([limit, used >= 0 && used <= value(`samebytes_limit_max{limit="${limit}"}`)]).toEqual([
      limit,
      true,
    ]);
  }
});

test('the memory of pins says that it is off when deletions cannot be followed, and the gap is counted', async () => {
  expect(value('samebytes_pin_memory_open')).toBe(1);
  busy.cluster.goDown();
  const after = await until('the gap', async () => {
    const now = await busy.metrics();
    return now.includes('\nsamebytes_pin_memory_open 0\n') && now;
  });
  expect(after).toMatch(/^samebytes_pin_watch_gaps_total [1-9]/m);
});
