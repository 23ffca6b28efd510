import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ChildProcess, type Exit } from '../support/child-process.ts';
import { ALERTS, RULES } from '../support/monitoring.ts';
import { findPrometheus } from '../support/prometheus.ts';

// promtool's own unit tests of every alert: that it fires, with which words, and that it does not.

interface Case {
  readonly alert: string;
  readonly when: string;
  /** Series by their name and labels; values in promtool's notation, one a minute. */
  readonly series: Readonly<Record<string, string>>;
  readonly at: string;
  /** Undefined where it must not fire. */
  readonly fires?: {
    readonly labels?: Readonly<Record<string, string>>;
    /** What stands in the place of each `{{ … }}` of summary and description, in order. */
    readonly words: readonly string[];
  };
}

const UP = { 'samebytes_build_info{instance="a",version="1"}': '1x120' };
const INSTANCE = { instance: 'a', job: 'samebytes' };
const LABELS = 'instance="a",job="samebytes"';
const pinLooks = (result: string): string => `samebytes_cache_requests_total{cache="pin",result="${result}"}`;
const asked = (registry: string, code: string): string =>
  `samebytes_registry_requests_total{registry="${registry}",method="HEAD",code="${code}"}`;

const CASES: readonly Case[] = [
  {
    alert: 'SamebytesDown',
    when: 'no process is scraped for more than five minutes',
    series: { up: '0x20' },
    at: '6m',
    fires: { words: [] },
  },
  {
    alert: 'SamebytesDown',
    when: 'one of two processes is gone',
    series: { ...UP, 'samebytes_build_info{instance="b",version="1"}': '1 1 stale' },
    at: '60m',
  },
  {
    alert: 'SamebytesDenying',
    when: 'a Deployment is refused again and again',
    series: { 'samebytes_admissions_total{outcome="refused"}': '0x10 0+1x60' },
    at: '30m',
    fires: { words: ['15'] },
  },
  {
    alert: 'SamebytesDenying',
    when: 'samebytes has a fault',
    series: { 'samebytes_admissions_total{outcome="internal_error"}': '0x10 0+2x60' },
    at: '30m',
    fires: { words: ['30'] },
  },
  {
    alert: 'SamebytesDenying',
    when: 'there are more Pods than samebytes has time for',
    series: { 'samebytes_admissions_total{outcome="overloaded"}': '0x10 0+2x60' },
    at: '30m',
    fires: { words: ['30'] },
  },
  {
    alert: 'SamebytesDenying',
    when: 'somebody mistyped a tag twice, and thousands of Pods are pinned',
    series: {
      'samebytes_admissions_total{outcome="refused"}': '0x10 1 2x60',
      'samebytes_admissions_total{outcome="pinned"}': '0+100x70',
    },
    at: '20m',
  },
  {
    alert: 'SamebytesDenying',
    when: 'an audit says what would be refused',
    series: { 'samebytes_admissions_total{outcome="would_refuse"}': '0+10x60' },
    at: '30m',
  },
  {
    alert: 'SamebytesPinCacheHitRatioLow',
    when: 'three of four Pods find nothing in memory for an hour',
    series: { [pinLooks('hit')]: '0+1x120', [pinLooks('miss')]: '0+3x120', [pinLooks('coalesced')]: '0x120' },
    at: '100m',
    fires: { words: ['25%'] },
  },
  {
    alert: 'SamebytesPinCacheHitRatioLow',
    when: 'Pods wait for births together, which is no miss',
    series: { [pinLooks('coalesced')]: '0+3x120', [pinLooks('miss')]: '0+1x120' },
    at: '100m',
  },
  {
    alert: 'SamebytesPinCacheHitRatioLow',
    when: 'hardly a Pod comes at all',
    series: { [pinLooks('miss')]: '0x29 1x29 2x29 3x60' },
    at: '100m',
  },
  {
    alert: 'SamebytesPinCacheHitRatioLow',
    when: 'a burst of new revisions is over within minutes',
    series: { [pinLooks('miss')]: '0x10 500x120', [pinLooks('hit')]: '0x15 0+50x120' },
    at: '60m',
  },
  {
    alert: 'SamebytesPinMemoryClosed',
    when: 'a process cannot follow deletions for more than ten minutes',
    series: { [`samebytes_pin_memory_open{${LABELS}}`]: '1x5 0x30' },
    at: '20m',
    fires: { labels: INSTANCE, words: ['a'] },
  },
  {
    alert: 'SamebytesPinMemoryClosed',
    when: 'a watch broke off and stands again',
    series: { [`samebytes_pin_memory_open{${LABELS}}`]: '1x5 0 0 1x30' },
    at: '20m',
  },
  {
    alert: 'SamebytesRegistryFailing',
    when: 'one registry of two is down',
    series: {
      [asked('down.test', 'unreachable')]: '0+3x60',
      [asked('down.test', '200')]: '0+1x60',
      [asked('up.test', '200')]: '0+3x60',
    },
    at: '30m',
    fires: { labels: { registry: 'down.test' }, words: ['down.test', '75%', 'down.test'] },
  },
  {
    alert: 'SamebytesRegistryFailing',
    when: 'it answers too slowly to be waited for',
    series: { [asked('slow.test', 'cancelled')]: '0+1x60' },
    at: '30m',
    fires: { labels: { registry: 'slow.test' }, words: ['slow.test', '100%', 'slow.test'] },
  },
  {
    alert: 'SamebytesRegistryFailing',
    when: 'tags are missing and access is denied, which it says properly',
    series: {
      [asked('r.test', '404')]: '0+3x60',
      [asked('r.test', '401')]: '0+3x60',
      [asked('r.test', '403')]: '0+3x60',
    },
    at: '30m',
  },
  {
    alert: 'SamebytesRegistryFailing',
    when: 'one request failed, long ago',
    series: { [asked('r.test', '503')]: '0 1x60' },
    at: '30m',
  },
  {
    alert: 'SamebytesRateLimitNear',
    when: 'one process was told that few pulls are left',
    series: {
      'samebytes_registry_pulls_remaining{registry="docker.io",instance="a"}': '15x10',
      'samebytes_registry_pulls_remaining{registry="docker.io",instance="b"}': '90x10',
    },
    at: '5m',
    fires: { labels: { registry: 'docker.io' }, words: ['docker.io', 'docker.io', '15'] },
  },
  {
    alert: 'SamebytesRateLimitNear',
    when: 'many are left',
    series: { 'samebytes_registry_pulls_remaining{registry="docker.io"}': '90x10' },
    at: '5m',
  },
  {
    alert: 'SamebytesCertificateExpiring',
    when: 'less than 14 days are left',
    // promtool's clock begins in 1970.
    series: { [`samebytes_certificate_expiry_timestamp_seconds{${LABELS}}`]: '1125000x60' },
    at: '30m',
    fires: { labels: INSTANCE, words: ['a', '13d 0h 0m 0s'] },
  },
  {
    alert: 'SamebytesCertificateExpiring',
    when: 'the certificate has expired',
    series: { [`samebytes_certificate_expiry_timestamp_seconds{${LABELS}}`]: '600x60' },
    at: '30m',
    fires: { labels: INSTANCE, words: ['a', '-20m 0s'] },
  },
  {
    alert: 'SamebytesCertificateExpiring',
    when: 'it was renewed',
    series: { [`samebytes_certificate_expiry_timestamp_seconds{${LABELS}}`]: '1000000x5 7776000x60' },
    at: '30m',
  },
  {
    alert: 'SamebytesTagMoved',
    when: 'a tag moved',
    series: { samebytes_tags_moved_total: '0x10 1x30' },
    at: '12m',
    fires: { words: [] },
  },
  {
    alert: 'SamebytesTagMoved',
    when: 'the last one moved an hour ago',
    series: { samebytes_tags_moved_total: '0x10 1x90' },
    at: '80m',
  },
  {
    alert: 'SamebytesPinnedDigestMissing',
    when: 'a process misses digests for more than a quarter of an hour, in several registries',
    series: {
      'samebytes_pinned_digests_missing{instance="a",registry="one.test"}': '0x5 2x40',
      'samebytes_pinned_digests_missing{instance="a",registry="two.test"}': '0x5 1x40',
      'samebytes_pinned_digests_missing{instance="b",registry="one.test"}': '0x45',
    },
    at: '30m',
    fires: { words: ['3'] },
  },
  {
    alert: 'SamebytesPinnedDigestMissing',
    when: 'it misses none',
    series: { 'samebytes_pinned_digests_missing{instance="a",registry="one.test"}': '0x45' },
    at: '30m',
  },
];

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'samebytes-promtool-'));
  await writeFile(join(directory, 'rules.yaml'), JSON.stringify(RULES));
});

afterAll(async () => rm(directory, { recursive: true, force: true }));

function promtool(...args: string[]): Promise<Exit> {
  const command = findPrometheus()?.promtool ?? 'promtool';
  return new ChildProcess({ command, args, cwd: directory }).exited;
}

/** The alert as promtool should see it fire. */
function expected({ alert, fires }: Case): object[] {
  const rule = ALERTS.find((candidate) => candidate.alert === alert);
  if (rule === undefined) throw new Error(`there is no alert ${alert}`);
  if (fires === undefined) return [];
  const words = [...fires.words];
  const fill = (text: string): string =>
    text.replaceAll(/\{\{.*?\}\}/g, () => words.shift() ?? 'A WORD IS MISSING');
  const { summary, description, runbook } = rule.annotations;
  const annotations = { summary: fill(summary), description: fill(description), runbook };
  if (words.length > 0) throw new Error(`words too many: ${words.join(', ')}`);
  return [{ exp_labels: { ...rule.labels, ...fires.labels }, exp_annotations: annotations }];
}

test('promtool finds nothing wrong with the rules', async () => {
  expect(await promtool('check', 'rules', 'rules.yaml')).toMatchObject({ code: 0, stderr: '' });
});

const NUMBERED = CASES.map((each, number) => ({
  ...each,
  number,
  does: each.fires === undefined ? 'is silent' : 'fires',
}));

test.each(NUMBERED)('$alert $does when $when', async (each) => {
  const { alert, series, at } = each;
  const unit = {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: expected(each) }],
  };
  const file = `case-${each.number}.yaml`;
  await writeFile(
    join(directory, file),
    JSON.stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests: [unit] }),
  );
  const { code, stdout, stderr } = await promtool('test', 'rules', file);
  expect({ code, report: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, report: '' });
});

test('each alert has a case in which it fires, and one in which it does not', () => {
  for (const { alert } of ALERTS) {
    const cases = CASES.filter((each) => each.alert === alert);
    const firing = cases.filter(({ fires }) => fires !== undefined);
    expect({ alert, fires: firing.length > 0, isSilent: firing.length < cases.length }).toEqual({
      alert,
      fires: true,
      isSilent: true,
    });
  }
});
