import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../support/cluster/api.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { daemonSet, deployment, imagesOf, statefulSet } from '../support/cluster/objects.ts';
import { pinsOf, rolledOut, scale } from '../support/cluster/rollouts.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { digest } from '../support/digests.ts';
import { until } from '../support/until.ts';

let registry: DistributionRegistry;
let samebytes: Installation;
/** What stood at the tag first: an index over two platforms, and an image. */
let index: { digest: string; manifests: readonly string[] };
let plain: string;
let indexToday: { digest: string; manifests: readonly string[] };
let plainToday: string;
let deleted: string;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  samebytes = await Installation.install(sharedControlPlane(), {
    processes: 2,
    settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
  });
  index = await registry.pushIndex('shop/index', '1', 'first', ['amd64', 'arm64']);
  indexToday = await registry.pushIndex('shop/index', '1', 'second', ['amd64', 'arm64']);
  plain = await registry.push('shop/plain', '1', 'first');
  plainToday = await registry.push('shop/plain', '1', 'second');
  deleted = await registry.push('shop/plain', 'gone', 'deleted');
  await registry.deleteManifest('shop/plain', deleted);
});

afterAll(async () => {
  await samebytes?.remove();
  await registry?.remove();
});

let count = 0;

/**
 * A Deployment runs by its tag in a namespace that has not opted in, and its runtimes say these imageIDs; then the
 * namespace opts in, and it scales up. What do the new Pods run?
 */
async function adopted(
  repository: string,
  imageIds: readonly string[],
): Promise<{ namespace: string; digest: string; source: string }> {
  count += 1;
  const namespace = `adopt-${count}`;
  await samebytes.namespace(namespace);
  const image = `${registry.host}/${repository}:1`;
  await samebytes.applyObjects(deployment(namespace, 'web', { image, replicas: imageIds.length }));
  const before = await samebytes.runningPods(namespace, imageIds.length);
  for (const [each, pod] of before.entries()) {
    const containerStatuses = pod['status'].containerStatuses.map((status: object) => ({
      ...status,
      imageID: imageIds[each],
    }));
    const path = `/api/v1/namespaces/${namespace}/pods/${pod['metadata'].name}/status`;
    await samebytes.api.patch(path, { status: { containerStatuses } });
  }
  await samebytes.kubectl.run('label', 'namespace', namespace, 'samebytes.dev/pin=enabled');
  const old = new Set(before.map(({ metadata }) => metadata.uid));
  await scale(samebytes.api, namespace, 'web', imageIds.length + 8);
  const pods = await samebytes.runningPods(namespace, imageIds.length + 8);
  const images = new Set(pods.filter(({ metadata }) => !old.has(metadata.uid)).flatMap(imagesOf));
  expect(images.size).toBe(1);
  const [pin] = await pinsOf(samebytes.api, namespace);
  const { digest: pinned, source } = (pin ?? {})['spec'].images[0];
  expect([...images]).toEqual([`${registry.host}/${repository}@${pinned}`]);
  return { namespace, digest: pinned, source };
}

describe('new Pods join those that run by tag, where the imageID is', () => {
  test('an index that containerd wrote', async () => {
    const id = `${registry.host}/shop/index@${index.digest}`;
    expect(await adopted('shop/index', [id, id])).toMatchObject({ digest: index.digest, source: 'adopted' });
  });

  test('an index that cri-dockerd wrote', async () => {
    const id = `docker-pullable://${registry.host}/shop/index@${index.digest}`;
    expect(await adopted('shop/index', [id])).toMatchObject({ digest: index.digest, source: 'adopted' });
  });

  test('an image, and the tag is no index', async () => {
    const id = `${registry.host}/shop/plain@${plain}`;
    expect(await adopted('shop/plain', [id, id])).toMatchObject({ digest: plain, source: 'adopted' });
  });

  test('one platform’s image, as CRI-O writes it, which today’s index lists: then it is that index', async () => {
    const id = `${registry.host}/shop/index@${indexToday.manifests[0]}`;
    expect(await adopted('shop/index', [id])).toMatchObject({
      digest: indexToday.digest,
      source: 'resolved',
    });
  });

  test('one platform’s image which no index lists today, and all nodes share one platform', async () => {
    const [manifest = ''] = index.manifests;
    const id = `${registry.host}/shop/index@${manifest}`;
    expect(await adopted('shop/index', [id])).toMatchObject({ digest: manifest, source: 'adopted' });
  });

  test('sound in one Pod, and says nothing in the other', async () => {
    const id = `${registry.host}/shop/plain@${plain}`;
    expect(await adopted('shop/plain', [id, 'docker://sha256:1234'])).toMatchObject({ digest: plain });
  });
});

describe('the tag is resolved where the imageID is', () => {
  test.each([
    ['a bare config digest', () => digest('c')],
    ['of another repository', () => `${registry.host}/shop/other@${plain}`],
    ['of another registry', () => `registry.example.com/shop/plain@${plain}`],
    ['an image id of CRI-O', () => 'c'.repeat(64)],
    ['an image id of cri-dockerd', () => `docker://${digest('c')}`],
    ['a manifest that is gone', () => `${registry.host}/shop/plain@${deleted}`],
    ['empty', () => ''],
    ['nonsense', () => '@@@'],
  ])('%s', async (_what, id) => {
    expect(await adopted('shop/plain', [id()])).toMatchObject({ digest: plainToday, source: 'resolved' });
  });

  test('one platform’s image which no index lists today, and the nodes are of two platforms', async () => {
    const [node] = (await samebytes.api.get('/api/v1/nodes'))['items'] as KubeObject[];
    const { labels, annotations } = (node ?? {})['metadata'];
    await samebytes.api.post('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'arm', annotations, labels: { ...labels, 'kubernetes.io/arch': 'arm64' } },
    });
    // What platforms there are is remembered for a minute.
    for (const name of samebytes.processNames) {
      await samebytes.stopProcess(name);
      await samebytes.startProcess(name);
    }
    const id = `${registry.host}/shop/index@${index.manifests[0]}`;
    const { digest: pinned } = await adopted('shop/index', [id]);
    await samebytes.api.delete('/api/v1/nodes/arm');
    expect(pinned).toBe(indexToday.digest);
  });

  test('one of several that disagree, and an event says that the revision was split', async () => {
    const ids = [`${registry.host}/shop/plain@${plain}`, `${registry.host}/shop/plain@${plainToday}`];
    const { namespace, digest: pinned } = await adopted('shop/plain', ids);
    expect(pinned).toBe(plainToday);
    const message = await samebytes.eventMessage(namespace, /ran different bytes/);
    expect(message).toContain('kubectl rollout restart');
  });
});

describe('pins that are deleted under running revisions', () => {
  test('are made again with the same digests, though the tag moved and the registry is away', async () => {
    await samebytes.enabled('rebuilt');
    const first = await registry.push('shop/rebuilt', '1', 'first');
    const image = `${registry.host}/shop/rebuilt:1`;
    await samebytes.applyObjects(
      deployment('rebuilt', 'deploy', { image, replicas: 3 }),
      statefulSet('rebuilt', 'stateful', { image, replicas: 2 }),
      daemonSet('rebuilt', 'daemon', { image }),
    );
    await samebytes.runningPods('rebuilt', 8);
    const before = (await pinsOf(samebytes.api, 'rebuilt')).map(({ metadata }) => metadata.uid);
    expect(before).toHaveLength(3);
    await registry.push('shop/rebuilt', '1', 'second');
    await samebytes.kubectl.run('-n', 'rebuilt', 'delete', 'imagepins', '--all');
    await until(
      'both processes to notice',
      () => {
        const ended = samebytes.log.match(/"namespace":"rebuilt",.*"msg":"pin ended"/g) ?? [];
        return ended.length === 6;
      },
      5_000,
    );
    await registry.stop();
    try {
      await scale(samebytes.api, 'rebuilt', 'deploy', 6);
      await samebytes.kubectl.run('-n', 'rebuilt', 'scale', 'statefulset/stateful', '--replicas=4');
      const [daemon = {}] = await samebytes.pods('rebuilt', 'app=daemon');
      await samebytes.api.delete(`/api/v1/namespaces/rebuilt/pods/${daemon['metadata'].name}`);
      await until('the deletion', async () => {
        const uids = (await samebytes.pods('rebuilt')).map(({ metadata }) => metadata.uid);
        return !uids.includes(daemon['metadata'].uid);
      });
      const pods = await samebytes.runningPods('rebuilt', 13);
      expect(new Set(pods.flatMap(imagesOf))).toEqual(new Set([`${registry.host}/shop/rebuilt@${first}`]));
    } finally {
      await registry.start();
    }
    const after = await pinsOf(samebytes.api, 'rebuilt');
    expect(after.map(({ spec }) => spec.images[0].source)).toEqual(['adopted', 'adopted', 'adopted']);
    expect(after.filter(({ metadata }) => before.includes(metadata.uid))).toEqual([]);
  });

  test('are not needed where a StatefulSet is orphaned and made again', async () => {
    await samebytes.enabled('orphaned');
    const first = await registry.push('shop/orphaned', '1', 'first');
    const object = statefulSet('orphaned', 'web', { image: `${registry.host}/shop/orphaned:1`, replicas: 2 });
    await samebytes.applyObjects(object);
    await samebytes.runningPods('orphaned', 2);
    await registry.push('shop/orphaned', '1', 'second');
    await samebytes.kubectl.run('-n', 'orphaned', 'delete', 'statefulset', 'web', '--cascade=orphan');
    await samebytes.applyObjects({ ...object, spec: { ...object['spec'], replicas: 4 } });
    const pods = await samebytes.runningPods('orphaned', 4);
    expect(new Set(pods.flatMap(imagesOf))).toEqual(new Set([`${registry.host}/shop/orphaned@${first}`]));
    expect(await pinsOf(samebytes.api, 'orphaned')).toHaveLength(1);
    await rolledOut(samebytes.api, 'orphaned', 'statefulsets', 'web');
  });
});

test('both processes worked', () => {
  expect(samebytes.admissions.size).toBe(2);
  samebytes.expectAllToWork();
});
