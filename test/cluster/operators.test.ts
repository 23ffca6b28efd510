import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { KubeObject } from '../support/cluster/api.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { imagesOf } from '../support/cluster/objects.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { until } from '../support/until.ts';

const NS = 'operators';
const LIMIT = 6;
let registry: DistributionRegistry;
let samebytes: Installation;
let image: string;
let database: KubeObject;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  await registry.push('shop/db', '1.0', 'first');
  image = `${registry.host}/shop/db:1.0`;
  samebytes = await Installation.install(sharedControlPlane(), {
    processes: 2,
    settings: {
      registries: [{ host: registry.host, insecure: true, allowLoopback: true }],
      policies: { rules: [{ namespaces: [NS], ownerKinds: ['Database.example.com'], policy: 'sticky' }] },
      pins: { maxRecreations: LIMIT },
    },
  });
  await samebytes.enabled(NS);
  await samebytes.enabled('operators-default');
  await samebytes.applyObjects(DEFINITION);
  await until('the resource', () =>
    samebytes.api.get(`/apis/example.com/v1/namespaces/${NS}/databases`).catch(() => undefined),
  );
  database = await makeDatabase(NS);
});

afterAll(async () => {
  await samebytes?.kubectl.try('delete', 'crd', 'databases.example.com');
  await samebytes?.remove();
  await registry?.remove();
});

const DEFINITION = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'databases.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { kind: 'Database', plural: 'databases', singular: 'database' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};

function makeDatabase(namespace: string): Promise<KubeObject> {
  const object = { apiVersion: 'example.com/v1', kind: 'Database', metadata: { name: 'db' } };
  return samebytes.api.post(`/apis/example.com/v1/namespaces/${namespace}/databases`, object);
}

/** The Pod that the operator makes for its Database. */
function podOf({ apiVersion, kind, metadata }: KubeObject): object {
  const { name, uid } = metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-0`,
      ownerReferences: [{ apiVersion, kind, name, uid, controller: true }],
    },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'db', image }] },
  };
}

/** What a kubelet writes when it has started a container; kwok, in its place, writes no events. */
function startedEvent({ metadata: { name, namespace, uid } }: KubeObject): object {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { generateName: `${name}.`, namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
    type: 'Normal',
    reason: 'Started',
    message: 'Container started',
    source: { component: 'kubelet' },
  };
}

test('Pods of a custom resource are left alone, and a warning says so, unless a rule says otherwise', async () => {
  const owner = await makeDatabase('operators-default');
  const created = await samebytes.api.post('/api/v1/namespaces/operators-default/pods', podOf(owner));
  expect(imagesOf(created)).toEqual([image]);
  expect(samebytes.api.warnings.join()).toContain('the owner is a custom resource');
});

test('an operator that recreates its Pod for ever since we change it gets its way after a while, and hears of it', async () => {
  const path = `/api/v1/namespaces/${NS}/pods`;
  let lives = 0;
  // The operator: what runs is not what I asked for, so make it anew.
  for (;;) {
    const pod = await samebytes.api.post(path, podOf(database));
    lives += 1;
    if (imagesOf(pod)[0] === image || lives > 6 * LIMIT) break;
    await until('the Pod to run', async () => {
      const { status } = await samebytes.api.get(`${path}/db-0`);
      return status.phase === 'Running';
    });
    await samebytes.api.post(`/api/v1/namespaces/${NS}/events`, startedEvent(pod));
    await samebytes.api.delete(`${path}/db-0`);
    await until('the Pod to go', async () => (await samebytes.pods(NS)).length === 0);
  }
  // Two processes count apart.
  expect(lives).toBeGreaterThan(LIMIT / 2);
  expect(lives).toBeLessThanOrEqual(3 * LIMIT);
  expect(await samebytes.metric('samebytes_pods_left_alone_total')).toBeGreaterThanOrEqual(1);
  const message = await samebytes.eventMessage(NS, /recreated over and over/);
  expect(message).toContain('samebytes.dev/policy');
  const events = await samebytes.api.get(`/api/v1/namespaces/${NS}/events`);
  const [event] = (events['items'] as KubeObject[]).filter(({ reason }) => reason === 'ImageNotPinned');
  expect(event?.['involvedObject']).toMatchObject({ kind: 'Database', name: 'db' });
});

test('a StatefulSet’s Pod that its node refuses again and again is made anew for ever, and never left alone', async () => {
  const name = 'operators-refused';
  await samebytes.enabled(name);
  const path = `/api/v1/namespaces/${name}/pods`;
  const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'db', uid: 'some-set' } };
  for (let life = 0; life < 4 * LIMIT; life += 1) {
    const pod = await until('the Pod', () => samebytes.api.post(path, podOf(set)));
    expect(imagesOf(pod)[0]).toContain('@sha256:');
    await samebytes.api.post(`/api/v1/namespaces/${name}/events`, {
      ...startedEvent(pod),
      reason: 'OutOfcpu',
      type: 'Warning',
    });
    await samebytes.api.delete(`${path}/db-0`).catch(() => {});
    await until('the Pod to go', async () => (await samebytes.pods(name)).length === 0);
  }
});

test('a Pod that cannot be made for another reason is never left alone, however often it is tried', async () => {
  const name = 'operators-quota';
  await samebytes.enabled(name);
  await samebytes.api.post(`/api/v1/namespaces/${name}/resourcequotas`, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'none' },
    spec: { hard: { pods: '0' } },
  });
  await until('the quota', async () => {
    const { status } = await samebytes.api.get(`/api/v1/namespaces/${name}/resourcequotas/none`);
    return status.hard?.pods === '0';
  });
  const owned = podOf({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'job', uid: 'some-job' } });
  for (let attempt = 0; attempt < 4 * LIMIT; attempt += 1) {
    await expect(samebytes.api.post(`/api/v1/namespaces/${name}/pods`, owned)).rejects.toThrow(
      /exceeded quota/,
    );
  }
  await samebytes.api.delete(`/api/v1/namespaces/${name}/resourcequotas/none`);
  const created = await until('the Pod', () => samebytes.api.post(`/api/v1/namespaces/${name}/pods`, owned));
  expect(imagesOf(created)[0]).toContain('@sha256:');
});
