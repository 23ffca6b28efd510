import { loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Api } from '../test/support/cluster/api.ts';
import { findBinaries } from '../test/support/cluster/binaries.ts';
import { ControlPlane } from '../test/support/cluster/control-plane.ts';
import { DistributionRegistry } from '../test/support/cluster/distribution-registry.ts';
import { Installation } from '../test/support/cluster/installation.ts';
import { deployment } from '../test/support/cluster/objects.ts';
import { until } from '../test/support/until.ts';
import { median } from './measure.ts';
import { table } from './table.ts';

/** One scale-up on a real control plane. */
export interface ScaleUp {
  readonly namespace: 'without' | 'with';
  readonly pods: number;
  readonly seconds: number;
  readonly podsPerSecond: number;
  /** By the API server's own metric; undefined without the webhook. */
  readonly webhookMeanMs: number | undefined;
  /** The upper bound of the bucket that holds the 99th percentile. */
  readonly webhookP99Ms: number | undefined;
}

const PODS = 1_000;
const QUICK_PODS = 60;
const ROUNDS = 3;
/** Below this the control plane itself is what is measured. */
const MIN_PODS_PER_SECOND = 100;
const METRIC = 'apiserver_admission_webhook_admission_duration_seconds';
const SCALE_MS = 180_000;
const LOOK_MS = 20;

/** Scales a Deployment in two namespaces of a real control plane in turn: one knows nothing of samebytes, one opted in. */
export async function benchCluster(
  flags: { readonly quick?: true; readonly json?: true },
  say: (line: string) => void,
): Promise<void> {
  const binaries = findBinaries();
  if (binaries === undefined) throw new Error('the control plane is not built: npm run test:cluster');
  say('starting a control plane');
  const plane = await ControlPlane.start(binaries);
  const registry = await DistributionRegistry.start();
  try {
    const settings = { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] };
    const installation = await Installation.install(plane.address, { processes: 2, settings });
    try {
      const scaleUps = await measure(installation, registry, flags, say);
      print(scaleUps, registry.manifestRequests.length, flags.json === true);
    } finally {
      await installation.abandon();
    }
  } finally {
    await registry.remove();
    await plane.stop();
  }
}

async function measure(
  installation: Installation,
  registry: DistributionRegistry,
  { quick }: { readonly quick?: true },
  say: (line: string) => void,
): Promise<ScaleUp[]> {
  const { api } = installation;
  await registry.push('bench/app', '1.0', 'first');
  await installation.namespace('without');
  await installation.enabled('with');
  const namespaces = ['without', 'with'] as const;
  for (const namespace of namespaces) {
    const image = `${registry.host}/bench/app:1.0`;
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    await api.post(path, deployment(namespace, 'app', { image, replicas: 1 }));
    await installation.runningPods(namespace, 1);
  }
  const scaleUps: ScaleUp[] = [];
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    for (const namespace of namespaces) {
      const scaleUp = await scale(api, namespace, quick ? QUICK_PODS : PODS);
      say(`${namespace} samebytes: ${scaleUp.podsPerSecond.toFixed(0)} Pods a second`);
      scaleUps.push(scaleUp);
    }
  }
  return scaleUps;
}

/** From one replica to so many, until the last Pod is created; then back. */
async function scale(api: Api, namespace: 'without' | 'with', pods: number): Promise<ScaleUp> {
  const before = buckets(await api.text('/metrics'));
  const startedAt = performance.now();
  await api.patch(`/apis/apps/v1/namespaces/${namespace}/deployments/app`, { spec: { replicas: pods } });
  const seconds = ((await whenCreated(api, namespace, pods)) - startedAt) / 1_000;
  const after = buckets(await api.text('/metrics'));
  await api.patch(`/apis/apps/v1/namespaces/${namespace}/deployments/app`, { spec: { replicas: 1 } });
  await until(
    'the Pods to go',
    async () => ((await api.get(`/api/v1/namespaces/${namespace}/pods`))['items'] as unknown[]).length === 1,
    SCALE_MS,
  );
  const isCalled = namespace === 'with';
  return {
    namespace,
    pods: pods - 1,
    seconds,
    podsPerSecond: (pods - 1) / seconds,
    webhookMeanMs: isCalled ? ((after.sum - before.sum) / (after.count - before.count)) * 1_000 : undefined,
    webhookP99Ms: isCalled ? quantileMs(before, after, 0.99) : undefined,
  };
}

/** The time at which the namespace had so many Pods: one is listed, and the answer says how many more there are. */
async function whenCreated(api: Api, namespace: string, pods: number): Promise<number> {
  const endMs = performance.now() + SCALE_MS;
  while (performance.now() < endMs) {
    const { metadata } = await api.get(`/api/v1/namespaces/${namespace}/pods?limit=1`);
    if (Number(metadata.remainingItemCount ?? 0) + 1 >= pods) return performance.now();
    await pause(LOOK_MS);
  }
  throw new Error(`there were no ${pods} Pods in ${SCALE_MS} ms`);
}

interface Buckets {
  readonly sum: number;
  readonly count: number;
  /** Observations up to so many seconds. */
  readonly upTo: ReadonlyMap<number, number>;
}

function valueOf(line: string): number {
  return Number(line.slice(line.lastIndexOf(' ')));
}

/** The API server's own measure of our webhook, as it stands now. */
function buckets(metrics: string): Buckets {
  const lines = metrics
    .split('\n')
    .filter((line) => line.startsWith(METRIC) && line.includes('name="enabled.samebytes.dev"'));
  const total = (suffix: string): number =>
    lines
      .filter((line) => line.startsWith(`${METRIC}_${suffix}`))
      .reduce((sum, line) => sum + valueOf(line), 0);
  const upTo = new Map<number, number>();
  for (const line of lines.filter((each) => each.startsWith(`${METRIC}_bucket`))) {
    const seconds = Number(/le="([^"]+)"/.exec(line)?.[1]?.replace('+Inf', 'Infinity'));
    upTo.set(seconds, (upTo.get(seconds) ?? 0) + valueOf(line));
  }
  return { sum: total('sum'), count: total('count'), upTo };
}

function quantileMs(before: Buckets, after: Buckets, part: number): number | undefined {
  const all = after.count - before.count;
  const found = [...after.upTo]
    .toSorted(([a], [b]) => a - b)
    .find(([seconds, count]) => count - (before.upTo.get(seconds) ?? 0) >= all * part);
  return found === undefined ? undefined : found[0] * 1_000;
}

function print(scaleUps: readonly ScaleUp[], registryRequests: number, json: boolean): void {
  const rate = (namespace: string): number =>
    median(scaleUps.filter((each) => each.namespace === namespace).map(({ podsPerSecond }) => podsPerSecond));
  const [without, withIt] = [rate('without'), rate('with')];
  const isMeasured = without >= MIN_PODS_PER_SECOND;
  const ratio = withIt / without;
  const loadAverage = loadavg()[0] ?? 0;
  if (json) {
    const all = { scaleUps, registryRequests, isMeasured, ratio, loadAverage };
    process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`);
    return;
  }
  const rows = scaleUps.map((each) => [
    `${each.namespace} samebytes`,
    String(each.pods),
    each.seconds.toFixed(1),
    each.podsPerSecond.toFixed(0),
    each.webhookMeanMs?.toFixed(1) ?? '',
    each.webhookP99Ms === undefined ? '' : `<= ${each.webhookP99Ms}`,
  ]);
  const head = ['namespace', 'Pods', 'seconds', 'Pods a second', 'webhook mean ms', 'webhook p99 ms'];
  const verdict = isMeasured
    ? `with samebytes ${ratio.toFixed(2)} of the Pods a second without it`
    : `NOT MEASURED: ${without.toFixed(0)} Pods a second without samebytes, which is less than ${MIN_PODS_PER_SECOND}: the control plane is the limit`;
  process.stdout.write(
    `\n${table(head, rows)}\n\nwebhook times are the API server's own (${METRIC}); registry requests: ${registryRequests}; load average ${loadAverage.toFixed(2)}\n${verdict}\n`,
  );
}
