import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BusyWebhook } from '../support/busy-webhook.ts';
import { ALERTS, QUERIES } from '../support/monitoring.ts';
import { Prometheus, type PrometheusSample } from '../support/prometheus.ts';
import { until } from '../support/until.ts';

// Every expression of dashboard and alerts, asked of a real Prometheus that scrapes a real webhook process under load.

const LOAD_TIME_MS = 90_000;
let busy: BusyWebhook;
let prometheus: Prometheus;
let startedAtSeconds: number;
/** What each expression gave, or why it gave nothing. */
const answers = new Map<string, readonly PrometheusSample[]>();

/** With the values that Grafana would put in. */
function filledIn(expression: string): string {
  return expression
    .replaceAll('$__rate_interval', '10s')
    .replaceAll('$__range', '5m')
    .replaceAll('$instance', '.*');
}

const present = QUERIES.map(({ expression }) => expression);
const alerting = ALERTS.map(({ expr }) => expr);
/** Before anything was scraped, nothing was there. */
const ABSENT = alerting.filter((expr) => expr.startsWith('absent('));

/** The number that an expression gives. */
async function single(expression: string): Promise<number> {
  return Number((await prometheus.query(expression))[0]?.value[1]);
}

function hasData(expression: string): boolean {
  return (answers.get(expression) ?? []).some(({ value: [, text] }) => text !== 'NaN');
}

/** Loads the process until each of the expressions has given data once, or the time is up. */
async function loadUntilData(expressions: readonly string[]): Promise<void> {
  const end = performance.now() + LOAD_TIME_MS;
  for (;;) {
    const open = expressions.filter((expression) => !hasData(expression));
    if (open.length === 0 || performance.now() > end) return;
    await busy.round();
    for (const expression of open) answers.set(expression, await prometheus.query(filledIn(expression)));
  }
}

beforeAll(
  async () => {
    startedAtSeconds = Date.now() / 1000 - 60;
    busy = await BusyWebhook.start();
    prometheus = await Prometheus.start(busy.healthPort);
    await loadUntilData(present);
    // What a healthy cluster does not have.
    busy.cluster.goDown();
    await loadUntilData(alerting.filter((expr) => !ABSENT.includes(expr)));
    for (const expr of ABSENT) answers.set(expr, await prometheus.query(expr, startedAtSeconds));
  },
  2 * LOAD_TIME_MS + 60_000,
);

afterAll(async () => {
  await prometheus?.stop();
  await busy?.stop();
});

test.each(QUERIES)('the panel "$panel" has data: $expression', ({ expression }) => {
  expect(answers.get(expression)).not.toEqual([]);
  expect(hasData(expression)).toBe(true);
});

test.each(ALERTS)('the condition of $alert is met when it happens', ({ expr }) => {
  expect(hasData(expr)).toBe(true);
});

test('nothing that is not there is asked for by what has data', async () => {
  expect(await prometheus.query('samebytes_no_such_metric')).toEqual([]);
});

test('the parts of the time that the dashboard stacks add up to the mean time of an admission', async () => {
  const [stacked = ''] = QUERIES.filter(({ panel }) => panel === 'Where the time goes').map(
    ({ expression }) => expression,
  );
  const parts = (await prometheus.query(filledIn(stacked).replaceAll('[10s]', '[5m]'))).map(
    ({ value: [, text] }) => Number(text),
  );
  const mean =
    'sum(rate(samebytes_admission_duration_seconds_sum[5m])) / sum(rate(samebytes_admission_duration_seconds_count[5m]))';
  const [whole] = (await prometheus.query(mean)).map(({ value: [, text] }) => Number(text));
  expect(parts).toHaveLength(3);
  expect(parts.reduce((sum, part) => sum + part, 0) / (whole ?? 0)).toBeCloseTo(1, 1);
});

test('the hit ratio agrees with the counters of /metrics', async () => {
  const text = await busy.metrics();
  const count = (result: string): number => {
    const sample = new RegExp(
      `^samebytes_cache_requests_total\\{cache="pin",result="${result}"\\} (\\S+)$`,
      'm',
    );
    return Number(sample.exec(text)?.[1]);
  };
  const results = ['hit', 'miss', 'coalesced', 'stale', 'negative'].map(count);
  const all = results.reduce((sum, each) => sum + each, 0);
  const looks = 'sum(samebytes_cache_requests_total{cache="pin"})';
  await until('the last look to be scraped', async () => (await single(looks)) === all);
  const ratio = await single(`sum(samebytes_cache_requests_total{cache="pin",result!="miss"}) / ${looks}`);
  expect(ratio).toBeCloseTo(1 - count('miss') / all, 9);
});
