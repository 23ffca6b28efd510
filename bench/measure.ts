import type { Load, LoadResult } from './load.ts';
import type { OwnWebhook, Rig, Webhook } from './rig.ts';

/** One row of the table: a load on one webhook. */
export interface Row extends LoadResult {
  /** The case, by the name that `--only` takes. */
  readonly name: string;
  readonly webhook: string;
  readonly registryRequests: number;
  readonly mostPerImage: number;
  readonly mostAtOncePerImage: number;
  /** Those that Pods wait for. */
  readonly apiCalls: number;
  /** Those that nobody waits for: events, and what is looked up for them. */
  readonly tellingCalls: number;
  readonly apiConnections: number;
  /** Undefined for peers. */
  readonly cpuMs: number | undefined;
  readonly rssMiB: number | undefined;
  /** Throughput and median as multiples of the null webhook's in the same rounds; undefined where it took no part. */
  readonly toNull: { readonly perSecond: number; readonly p50: number } | undefined;
}

type CountedField =
  'registryRequests' | 'mostPerImage' | 'mostAtOncePerImage' | 'apiCalls' | 'tellingCalls' | 'apiConnections';

export type PodsOfCase = Omit<Load['pods'], 'registry'>;

export interface Measurement extends Omit<Load, 'url' | 'pods'> {
  readonly name: string;
  /** The Pods of a round; every webhook gets the same ones in the same round. */
  readonly pods: (round: number) => PodsOfCase;
  /** Of our own webhooks; peers take part in the first few. */
  readonly rounds: number;
  /** What peers get, which ask the registry for every Pod. */
  readonly peerRequests?: number;
}

/** They are ten times slower and more, so a few rounds tell, and a webhook that waits for them for long is cold again. */
const MAX_PEER_ROUNDS = 5;

/**
 * Sends the load to each webhook in turn, again and again (A B A B), since a busy machine is slow for some seconds at a
 * time; each row is the median of its rounds, and its ratios are medians of ratios within a round.
 */
export async function measure(rig: Rig, webhooks: readonly Webhook[], what: Measurement): Promise<Row[]> {
  const rounds: Row[][] = [];
  for (let round = 0; round < what.rounds; round += 1) {
    const rows: Row[] = [];
    const taking = webhooks.filter(({ usage }) => usage !== undefined || round < MAX_PEER_ROUNDS);
    for (const webhook of taking) rows.push(await one(rig, webhook, what, round));
    rounds.push(rows);
  }
  return webhooks.map(({ name }) => {
    const rows = rounds.flatMap((all) => all.find(({ webhook }) => webhook === name) ?? []);
    const nulls = rounds.flatMap((all) => all.find(({ webhook }) => webhook === 'null') ?? []);
    return medianRow(rows, nulls);
  });
}

async function one(rig: Rig, webhook: Webhook, what: Measurement, round: number): Promise<Row> {
  const before = await webhook.usage?.();
  await rig.forgetCounts();
  const isPeer = webhook.usage === undefined;
  const requests = isPeer ? Math.min(what.peerRequests ?? what.requests, what.requests) : what.requests;
  const result = await send(rig, webhook, { ...what, requests }, round);
  await rig.untilNobodyTells();
  const after = await webhook.usage?.();
  const usedMs = before && after && (after.cpuSeconds - before.cpuSeconds) * 1_000;
  return {
    ...result,
    ...(await counted(rig)),
    name: what.name,
    webhook: webhook.name,
    cpuMs: usedMs === undefined ? undefined : usedMs / requests,
    rssMiB: after?.rssMiB,
    toNull: undefined,
  };
}

/** One row for a load that several processes get at the same time, each its share of the requests. */
export async function measureTogether(
  rig: Rig,
  webhooks: readonly OwnWebhook[],
  what: Measurement,
): Promise<Row> {
  await rig.forgetCounts();
  const share = { ...what, requests: what.requests / webhooks.length };
  const results = await Promise.all(webhooks.map((webhook) => send(rig, webhook, share, 0)));
  const usages = await Promise.all(webhooks.map(({ usage }) => usage()));
  const [first] = results;
  if (first === undefined) throw new Error('nobody to send to');
  return {
    ...first,
    ...countsOf(results),
    perSecond: results.reduce((sum, { perSecond }) => sum + perSecond, 0),
    p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
    ...(await counted(rig)),
    name: what.name,
    webhook: `${webhooks[0]?.name ?? ''} x ${webhooks.length}`,
    cpuMs: undefined,
    rssMiB: Math.max(...usages.map((usage) => usage.rssMiB)),
    toNull: undefined,
  };
}

async function send(rig: Rig, { url }: Webhook, what: Measurement, round: number): Promise<LoadResult> {
  const { requests, atOnce, newConnections = false } = what;
  return rig.load({ url, requests, atOnce, newConnections, pods: what.pods(round) });
}

async function counted(rig: Rig): Promise<Pick<Row, CountedField>> {
  const { requests: registryRequests, mostPerImage, mostAtOncePerImage, api } = await rig.counts();
  return {
    registryRequests,
    mostPerImage,
    mostAtOncePerImage,
    apiCalls: api.calls,
    tellingCalls: api.tellingCalls,
    apiConnections: api.connections,
  };
}

/** What came back in all of these. */
function countsOf(
  results: readonly LoadResult[],
): Pick<LoadResult, 'requests' | 'pinned' | 'allowed' | 'denied' | 'failed'> {
  const sum = (value: (result: LoadResult) => number): number =>
    results.reduce((total, result) => total + value(result), 0);
  return {
    requests: sum(({ requests }) => requests),
    pinned: sum(({ pinned }) => pinned),
    allowed: sum(({ allowed }) => allowed),
    denied: sum(({ denied }) => denied),
    failed: sum(({ failed }) => failed),
  };
}

/** The median of each timing; counts are summed, since a round that failed must not be hidden by one that did not. */
function medianRow(rows: readonly Row[], nulls: readonly Row[]): Row {
  const [first] = rows;
  if (first === undefined) throw new Error('no round was measured');
  const middle = (value: (row: Row) => number): number => median(rows.map(value));
  const sum = (value: (row: Row) => number): number => rows.reduce((total, row) => total + value(row), 0);
  const most = (value: (row: Row) => number): number => Math.max(...rows.map(value));
  const ratio = (value: (row: Row) => number): number =>
    median(rows.flatMap((row, round) => value(row) / value(nulls[round] ?? row)));
  return {
    ...first,
    ...countsOf(rows),
    seconds: sum(({ seconds }) => seconds),
    perSecond: middle(({ perSecond }) => perSecond),
    p50Ms: middle(({ p50Ms }) => p50Ms),
    p99Ms: middle(({ p99Ms }) => p99Ms),
    firstMs: middle(({ firstMs }) => firstMs),
    loadAverage: most(({ loadAverage }) => loadAverage),
    registryRequests: sum(({ registryRequests }) => registryRequests),
    apiCalls: sum(({ apiCalls }) => apiCalls),
    tellingCalls: sum(({ tellingCalls }) => tellingCalls),
    apiConnections: sum(({ apiConnections }) => apiConnections),
    mostPerImage: most(({ mostPerImage }) => mostPerImage),
    mostAtOncePerImage: most(({ mostAtOncePerImage }) => mostAtOncePerImage),
    cpuMs: first.cpuMs === undefined ? undefined : middle(({ cpuMs }) => cpuMs ?? 0),
    rssMiB: first.rssMiB === undefined ? undefined : most(({ rssMiB }) => rssMiB ?? 0),
    toNull:
      nulls.length === 0
        ? undefined
        : { perSecond: ratio(({ perSecond }) => perSecond), p50: ratio(({ p50Ms }) => p50Ms) },
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
