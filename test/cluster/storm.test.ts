import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Api, type KubeObject } from '../support/cluster/api.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { daemonSet, deployment, imagesOf, statefulSet } from '../support/cluster/objects.ts';
import { PodHistory } from '../support/cluster/pod-history.ts';
import { pinsOf, restart, rolledOut, scale } from '../support/cluster/rollouts.ts';
import { scaled } from '../support/cluster/scale.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { TagMover } from '../support/cluster/tag-mover.ts';
import { until } from '../support/until.ts';

const IMAGE = { repository: 'shop/storm', tag: '1.0' };
let registry: DistributionRegistry;
let samebytes: Installation;
let mover: TagMover;
let image: string;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  await registry.push(IMAGE.repository, IMAGE.tag, 'start');
  image = `${registry.host}/${IMAGE.repository}:${IMAGE.tag}`;
  samebytes = await Installation.install(sharedControlPlane(), {
    processes: 2,
    settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
  });
  mover = new TagMover(registry, IMAGE);
});

afterAll(async () => {
  await mover?.stop();
  await samebytes?.remove();
  await registry?.remove();
});

let crashes = 0;

/** Kills one of the two processes without a warning, and starts it again. */
async function crash(): Promise<void> {
  crashes += 1;
  const name = `process-${crashes % 2}`;
  await samebytes.stopProcess(name, 'SIGKILL');
  await samebytes.startProcess(name);
}

/** Does something while the tag moves and processes crash, and looks at every Pod that existed meanwhile. */
async function storm(namespace: string, act: () => Promise<void>): Promise<PodHistory> {
  await samebytes.enabled(namespace);
  const history = await PodHistory.start(samebytes.api, namespace);
  const before = mover.moves;
  mover.start();
  try {
    await act();
  } finally {
    await mover.stop();
    await history.stop();
  }
  // What a tag meant changed between any two births, and several times.
  expect(mover.moves - before).toBeGreaterThan(history.imagesByRevision.size);
  return history;
}

test('one digest per revision, while Deployments scale, restart and roll back, and processes are killed', async () => {
  const count = scaled(4, 20);
  const replicas = scaled(10, 50);
  const names = Array.from({ length: count }, (_, index) => `web-${index}`);
  const history = await storm('storm', async () => {
    await samebytes.applyObjects(...names.map((name) => deployment('storm', name, { image })));
    const all = (act: (name: string) => Promise<unknown>): Promise<unknown> => Promise.all(names.map(act));
    const settled = (name: string): Promise<KubeObject> =>
      rolledOut(samebytes.api, 'storm', 'deployments', name);
    await all(settled);
    await all((name) => scale(samebytes.api, 'storm', name, replicas));
    await crash();
    await all(settled);
    await mover.moved();
    await all((name) => restart(samebytes.api, 'storm', 'deployments', name));
    await crash();
    await all(settled);
    await all((name) => samebytes.kubectl.run('-n', 'storm', 'rollout', 'undo', `deployment/${name}`));
    await crash();
    await all(settled);
  });
  expect(history.broken).toEqual({});
  expect(history.size).toBeGreaterThanOrEqual(count * replicas * 3);
  expect(history.imagesByRevision.size).toBe(count * 2);
  for (const name of names) {
    // The tag moved between the two revisions, so that a digest of the wrong one would be seen.
    expect(history.imagesOf(name)).toHaveLength(2);
    const { spec } = await samebytes.api.get(`/apis/apps/v1/namespaces/storm/deployments/${name}`);
    expect(imagesOf(spec.template)).toEqual([image]);
  }
});

test('one digest per revision of StatefulSets and DaemonSets, too', async () => {
  const rounds = scaled(2, 10);
  const history = await storm('storm-sets', async () => {
    await samebytes.applyObjects(
      statefulSet('storm-sets', 'stateful', { image, replicas: scaled(4, 20) }),
      daemonSet('storm-sets', 'daemon', { image }),
    );
    for (let round = 0; round < rounds; round += 1) {
      for (const [kind, name] of [
        ['statefulsets', 'stateful'],
        ['daemonsets', 'daemon'],
      ] as const) {
        await rolledOut(samebytes.api, 'storm-sets', kind, name);
        await restart(samebytes.api, 'storm-sets', kind, name);
      }
      await crash();
    }
    await rolledOut(samebytes.api, 'storm-sets', 'statefulsets', 'stateful');
    await rolledOut(samebytes.api, 'storm-sets', 'daemonsets', 'daemon');
  });
  expect(history.broken).toEqual({});
  expect(history.imagesByRevision.size).toBe(2 * (rounds + 1));
});

describe('births at the same instant', () => {
  test('in two processes end in one digest and one pin each', async () => {
    const count = scaled(40, 200);
    const clients = await Promise.all([0, 1].map(() => Api.open(sharedControlPlane())));
    const conflictsBefore = await conflicts();
    const wrong: object[] = [];
    let refused = 0;
    await storm('births', async () => {
      for (let index = 0; index < count; index += 1) {
        const name = `birth-${index}`;
        const { metadata } = await samebytes.api.post(
          '/apis/apps/v1/namespaces/births/replicasets',
          replicaSet(name),
        );
        const created = await Promise.all(
          clients.map((client) =>
            createUntilAdmitted(client, podOf(name, metadata.uid), () => (refused += 1)),
          ),
        );
        const images = new Set(created.flatMap(imagesOf));
        if (images.size !== 1 || !String([...images][0]).includes('@sha256:'))
          wrong.push({ name, images: [...images] });
        if (index === Math.floor(count / 2)) await crash();
      }
    });
    for (const client of clients) await client.close();
    expect(wrong).toEqual([]);
    const pins = await pinsOf(samebytes.api, 'births');
    expect(pins).toHaveLength(count);
    expect(new Set(pins.map(({ spec }) => spec.revision.uid)).size).toBe(count);
    // Else the race was not run.
    expect((await conflicts()) - conflictsBefore).toBeGreaterThan(0);
    expect(refused).toBeLessThan(count);
  });
});

test('both processes worked', () => {
  samebytes.expectAllToWork();
});

/** Counted by processes, which crash here: what they counted until then is kept. */
async function conflicts(): Promise<number> {
  return samebytes.metric('samebytes_pin_conflicts_total');
}

/** A controller tries again when a process has just died; so does this. */
async function createUntilAdmitted(client: Api, pod: object, onRefused: () => void): Promise<KubeObject> {
  return until('the Pod to be admitted', async () => {
    try {
      return await client.post('/api/v1/namespaces/births/pods', pod);
    } catch (error) {
      onRefused();
      throw error;
    }
  });
}

function replicaSet(name: string): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }] } },
    },
  };
}

function podOf(name: string, uid: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${name}-`,
      labels: { app: name },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true }],
    },
    spec: { containers: [{ name: 'web', image }] },
  };
}
