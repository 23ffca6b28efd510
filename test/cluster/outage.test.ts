import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { deployment, imagesOf, statefulSet } from '../support/cluster/objects.ts';
import { PodHistory } from '../support/cluster/pod-history.ts';
import { pinsOf, restart, rolledOut, scale } from '../support/cluster/rollouts.ts';
import { scaled } from '../support/cluster/scale.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { until } from '../support/until.ts';

const NS = 'outage';
let registry: DistributionRegistry;
let samebytes: Installation;
let image: string;
let first: string;
let history: PodHistory;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  first = await registry.push('shop/outage', '1.0', 'first');
  image = `${registry.host}/shop/outage:1.0`;
  samebytes = await Installation.install(sharedControlPlane(), {
    processes: 2,
    settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
  });
  await samebytes.enabled(NS);
  history = await PodHistory.start(samebytes.api, NS);
  await samebytes.applyObjects(
    deployment(NS, 'web', { image, replicas: 4 }),
    statefulSet(NS, 'db', { image, replicas: 3 }),
  );
  await rolledOut(samebytes.api, NS, 'deployments', 'web');
  await rolledOut(samebytes.api, NS, 'statefulsets', 'db');
  await registry.push('shop/outage', '1.0', 'second');
  await registry.stop();
});

afterAll(async () => {
  await history?.stop();
  await samebytes?.remove();
  await registry?.remove();
});

async function digests(app: string): Promise<Set<string>> {
  return new Set((await samebytes.pods(NS, `app=${app}`)).flatMap(imagesOf));
}

test('without the registry, scale-up, eviction and deletion give the first bytes', async () => {
  await scale(samebytes.api, NS, 'web', 12);
  await rolledOut(samebytes.api, NS, 'deployments', 'web');
  for (const app of ['web', 'db']) {
    const [evicted = {}, deleted = {}] = await samebytes.pods(NS, `app=${app}`);
    const name = evicted['metadata'].name;
    await samebytes.api.post(`/api/v1/namespaces/${NS}/pods/${name}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name },
    });
    await samebytes.api.delete(`/api/v1/namespaces/${NS}/pods/${deleted['metadata'].name}`);
    await until('the Pods to come back', async () => {
      const uids = (await samebytes.pods(NS, `app=${app}`)).map(({ metadata }) => metadata.uid);
      const gone = [evicted, deleted].every(({ metadata }) => !uids.includes(metadata.uid));
      return gone && uids.length === (app === 'web' ? 12 : 3);
    });
    expect(await digests(app)).toEqual(new Set([`${registry.host}/shop/outage@${first}`]));
  }
});

test('a process that starts without the registry knows every revision that was born before', async () => {
  await samebytes.stopProcess('process-0', 'SIGKILL');
  await samebytes.stopProcess('process-1', 'SIGKILL');
  await Promise.all([samebytes.startProcess('process-2'), samebytes.startProcess('process-3')]);
  await scale(samebytes.api, NS, 'web', 24);
  await rolledOut(samebytes.api, NS, 'deployments', 'web');
  expect(await digests('web')).toEqual(new Set([`${registry.host}/shop/outage@${first}`]));
});

test('while the processes cannot reach the API server, nothing is admitted unpinned and nothing wrong is written', async () => {
  const before = await pinsOf(samebytes.api, NS);
  samebytes.wire.cut();
  try {
    await scale(samebytes.api, NS, 'web', 30);
    await restart(samebytes.api, NS, 'statefulsets', 'db');
    await samebytes.eventMessage(NS, /samebytes: cannot pin image .*pin/);
    // Twenty seconds of it, and every kind of Pod comes by.
    await new Promise((resolve) => setTimeout(resolve, scaled(3_000, 20_000)));
  } finally {
    samebytes.wire.mend();
  }
  await rolledOut(samebytes.api, NS, 'deployments', 'web');
  expect(await digests('web')).toEqual(new Set([`${registry.host}/shop/outage@${first}`]));
  const after = await pinsOf(samebytes.api, NS);
  for (const pin of before) expect(after).toContainEqual(pin);
});

test('a new revision is denied with a clear message, and gets through by itself once the registry is back', async () => {
  await samebytes.applyObjects(deployment(NS, 'short', { image }));
  const message = await samebytes.eventMessage(
    NS,
    /"short-.*samebytes: cannot pin|samebytes: cannot pin image/,
  );
  expect(message).toContain(image);
  await registry.start();
  await rolledOut(samebytes.api, NS, 'deployments', 'short');
  const [latest] = await digests('short');
  expect(latest).toMatch(/@sha256:/);
  expect(latest).not.toContain(first);
  await rolledOut(samebytes.api, NS, 'statefulsets', 'db');
});

test('after a long outage `kubectl rollout restart` starts at once, as the message says', async () => {
  await registry.stop();
  await samebytes.applyObjects(deployment(NS, 'long', { image }));
  await until('many denials', () => refusals('long') >= 8);
  await registry.start();
  const waiting = await samebytes.pods(NS, 'app=long');
  expect(waiting).toEqual([]);
  await samebytes.kubectl.run('-n', NS, 'rollout', 'restart', 'deployment/long');
  await rolledOut(samebytes.api, NS, 'deployments', 'long');
});

function refusals(prefix: string): number {
  return samebytes.decisions.filter(
    ({ outcome, owner }) => outcome === 'refused' && String(owner).startsWith(`ReplicaSet/${prefix}-`),
  ).length;
}

test('denials are fast: others are not held up by twenty Deployments that are denied', async () => {
  await registry.stop();
  await samebytes.namespace('bystander');
  const bystanders = await PodHistory.start(samebytes.api, 'bystander');
  const names = Array.from({ length: 20 }, (_, index) => `denied-${index}`);
  await samebytes.applyObjects(...names.map((name) => deployment(NS, name, { image })));
  await until('all of them to be denied', () => names.every((name) => refusals(name) > 0));
  // A StatefulSet, whose controller has workers of its own, sets the pace: one Pod after the other.
  const pace = statefulSet('bystander', 'pace', { image, replicas: 60 });
  await samebytes.applyObjects(
    { ...pace, spec: { ...pace['spec'], podManagementPolicy: 'OrderedReady' } },
    deployment('bystander', 'web', { image }),
  );
  const place = await until('the first Pod of the bystander', () => {
    const index = bystanders.names.findIndex((name) => name.startsWith('web-'));
    return index === -1 ? undefined : { index };
  });
  expect(place.index).toBeLessThan(30);
  await bystanders.stop();
  await registry.start();
});

test('both processes worked', () => {
  expect(samebytes.processNames).toHaveLength(2);
  samebytes.expectAllToWork();
});

test('in all this no revision ever had two digests, and no Pod had none', async () => {
  await history.stop();
  expect(history.broken).toEqual({});
  expect(history.size).toBeGreaterThan(40);
});
