import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../support/cluster/api.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Injector } from '../support/cluster/injector.ts';
import { Installation } from '../support/cluster/installation.ts';
import { barePod, daemonSet, deployment, imagesOf, job, statefulSet } from '../support/cluster/objects.ts';
import { pinsOf, restart, rolledOut, scale } from '../support/cluster/rollouts.ts';
import { scaled } from '../support/cluster/scale.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { digest } from '../support/digests.ts';
import { until } from '../support/until.ts';

const NS = 'pins';
const PINS = `/apis/samebytes.dev/v1alpha1/namespaces/${NS}/imagepins`;
const PODS = 'Pods of one revision';
let registry: DistributionRegistry;
let samebytes: Installation;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  samebytes = await Installation.install(sharedControlPlane(), {
    processes: 2,
    settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
  });
  await samebytes.enabled(NS);
});

afterAll(async () => {
  await samebytes?.remove();
  await registry?.remove();
});

function image(name: string): string {
  return `${registry.host}/shop/${name}:1.0`;
}

/** The digests that the Pods of `app=name` run, without repetition. */
async function digestsOf(name: string): Promise<string[]> {
  const pods = await samebytes.pods(NS, `app=${name}`);
  return [...new Set(pods.flatMap(imagesOf).map((text) => text.split('@')[1] ?? text))];
}

/** Deletes one Pod of `app=name`, and waits until there is another. */
async function replacePod(name: string): Promise<void> {
  const before = await samebytes.pods(NS, `app=${name}`);
  const [pod = {}] = before;
  await samebytes.api.delete(`/api/v1/namespaces/${NS}/pods/${pod['metadata'].name}`);
  await until('the Pod to come back', async () => {
    const uids = (await samebytes.pods(NS, `app=${name}`)).map(({ metadata }) => metadata.uid);
    return uids.length === before.length && !uids.includes(pod['metadata'].uid);
  });
}

async function pinFor(name: string): Promise<KubeObject> {
  const pins = (await pinsOf(samebytes.api, NS)).filter(({ spec }) =>
    spec.images.some(({ reference }: { reference: string }) => reference === image(name)),
  );
  expect(pins).toHaveLength(1);
  return pins[0] as KubeObject;
}

async function auditedWrites(namespace: string): Promise<number> {
  const text = await readFile(sharedControlPlane().auditLog, 'utf8');
  return text
    .split('\n')
    .filter((line) => line.includes('"imagepins"') && line.includes(`"namespace":"${namespace}"`))
    .map((line) => JSON.parse(line) as KubeObject)
    .filter(({ verb }) => ['create', 'update', 'patch'].includes(verb)).length;
}

test('a revision gets one ImagePin that says what it runs, and belongs to it', async () => {
  const first = await registry.push('shop/described', '1.0', 'first');
  await samebytes.applyObjects(deployment(NS, 'described', { image: image('described'), replicas: 2 }));
  await rolledOut(samebytes.api, NS, 'deployments', 'described');
  const pin = await pinFor('described');
  const [replicaSet] = (
    await samebytes.api.get(`/apis/apps/v1/namespaces/${NS}/replicasets?labelSelector=app%3Ddescribed`)
  )['items'];
  expect(pin['metadata'].ownerReferences).toEqual([
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: replicaSet.metadata.name,
      uid: replicaSet.metadata.uid,
    },
  ]);
  const hash = createHash('sha256').update(replicaSet.metadata.uid).digest('hex').slice(0, 10);
  expect(pin['metadata'].name).toBe(`${replicaSet.metadata.name}-${hash}`);
  expect(pin['spec'].images).toEqual([
    { reference: image('described'), digest: first, resolvedAt: expect.any(String), source: 'resolved' },
  ]);
  const table = await samebytes.kubectl.run('-n', NS, 'get', 'pin');
  expect(table).toMatch(/NAME\s+KIND\s+REVISION\s+IMAGES\s+TAG MOVED\s+AGE/);
  expect(table).toContain(image('described'));
});

describe('a tag that moves', () => {
  test('changes nothing for a Deployment that scales; a restart gets the new bytes, an undo the old ones', async () => {
    const first = await registry.push('shop/moved', '1.0', 'first');
    await samebytes.applyObjects(deployment(NS, 'moved', { image: image('moved'), replicas: 2 }));
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    const second = await registry.push('shop/moved', '1.0', 'second');
    await scale(samebytes.api, NS, 'moved', 6);
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    expect(await digestsOf('moved')).toEqual([first]);
    await samebytes.kubectl.run('-n', NS, 'rollout', 'restart', 'deployment/moved');
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    expect(await until('old Pods to go', async () => one(await digestsOf('moved')))).toBe(second);
    await samebytes.kubectl.run('-n', NS, 'rollout', 'undo', 'deployment/moved');
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    expect(await until('old Pods to go', async () => one(await digestsOf('moved')))).toBe(first);
  });

  test.each([
    ['statefulsets', statefulSet],
    ['daemonsets', daemonSet],
  ] as const)('%s keep their revisions apart, too, over restart and undo', async (kind, make) => {
    const name = `moved-${kind}`;
    const first = await registry.push(`shop/${name}`, '1.0', 'first');
    await samebytes.applyObjects(make(NS, name, { image: image(name) }));
    await rolledOut(samebytes.api, NS, kind, name);
    const second = await registry.push(`shop/${name}`, '1.0', 'second');
    await replacePod(name);
    await rolledOut(samebytes.api, NS, kind, name);
    expect(await digestsOf(name)).toEqual([first]);
    await samebytes.kubectl.run('-n', NS, 'rollout', 'restart', `${kind}/${name}`);
    await rolledOut(samebytes.api, NS, kind, name);
    expect(await until('old Pods to go', async () => one(await digestsOf(name)))).toBe(second);
    await samebytes.kubectl.run('-n', NS, 'rollout', 'undo', `${kind}/${name}`);
    await rolledOut(samebytes.api, NS, kind, name);
    expect(await until('old Pods to go', async () => one(await digestsOf(name)))).toBe(first);
  });

  test('a restart right after a push always gets what was pushed, also while a process is killed', async () => {
    const rounds = scaled(8, 100);
    await registry.push('shop/pushed', '1.0', 'start');
    await samebytes.applyObjects(deployment(NS, 'pushed', { image: image('pushed') }));
    await rolledOut(samebytes.api, NS, 'deployments', 'pushed');
    const wrong = [];
    for (let round = 0; round < rounds; round += 1) {
      const pushed = await registry.push('shop/pushed', '1.0', `round ${round}`);
      await restart(samebytes.api, NS, 'deployments', 'pushed');
      if (round === Math.floor(rounds / 2)) {
        await samebytes.stopProcess('process-0', 'SIGKILL');
        await samebytes.startProcess('process-0');
      }
      await rolledOut(samebytes.api, NS, 'deployments', 'pushed');
      const got = await until('old Pods to go', async () => one(await digestsOf('pushed')));
      if (got !== pushed) wrong.push({ round, pushed, got });
    }
    expect(wrong).toEqual([]);
  });
});

function one(digests: readonly string[]): string | undefined {
  return digests.length === 1 ? digests[0] : undefined;
}

test(`many ${PODS} cost at most two registry requests and one write`, async () => {
  const count = scaled(200, 1_000);
  await registry.push('shop/many', '1.0', 'first');
  await samebytes.enabled('many');
  const asked = registry.manifestRequests.length;
  await samebytes.applyObjects(deployment('many', 'many', { image: image('many'), replicas: count }));
  await rolledOut(samebytes.api, 'many', 'deployments', 'many');
  expect(await samebytes.pods('many')).toHaveLength(count);
  expect(registry.manifestRequests.length - asked).toBeLessThanOrEqual(2);
  expect(await auditedWrites('many')).toBe(1);
});

describe('a pin ends', () => {
  test.each(['deployments', 'statefulsets', 'jobs'] as const)('with the revision of %s', async (kind) => {
    const name = `ends-${kind}`;
    await registry.push(`shop/${name}`, '1.0', 'first');
    const options = { image: image(name) };
    const object =
      kind === 'deployments'
        ? deployment(NS, name, options)
        : kind === 'jobs'
          ? job(NS, name, options)
          : statefulSet(NS, name, options);
    await samebytes.applyObjects(object);
    const before = await until('the pin', async () =>
      (await pinsOf(samebytes.api, NS)).find(({ spec }) => spec.images[0].reference === image(name)),
    );
    await samebytes.kubectl.run('-n', NS, 'delete', kind, name);
    await until('the pin to go', async () => {
      const names = (await pinsOf(samebytes.api, NS)).map(({ metadata }) => metadata.name);
      return !names.includes(before['metadata'].name);
    });
    const second = await registry.push(`shop/${name}`, '1.0', 'second');
    await samebytes.applyObjects(object);
    const after = await until('another pin', async () =>
      (await pinsOf(samebytes.api, NS)).find(({ spec }) => spec.images[0].reference === image(name)),
    );
    expect(after['metadata'].name).not.toBe(before['metadata'].name);
    expect(after['spec'].images[0].digest).toBe(second);
  });

  test('with a ReplicaSet that is deleted alone: the one that takes its name gets another', async () => {
    const first = await registry.push('shop/alone', '1.0', 'first');
    await samebytes.applyObjects(deployment(NS, 'alone', { image: image('alone') }));
    await rolledOut(samebytes.api, NS, 'deployments', 'alone');
    const before = await pinFor('alone');
    expect(before['spec'].images[0].digest).toBe(first);
    const second = await registry.push('shop/alone', '1.0', 'second');
    await samebytes.kubectl.run('-n', NS, 'delete', 'replicaset', before['spec'].revision.name);
    const after = await until('another pin', async () =>
      (await pinsOf(samebytes.api, NS)).find(
        ({ metadata, spec }) =>
          spec.revision.name === before['spec'].revision.name && metadata.uid !== before['metadata'].uid,
      ),
    );
    expect(after['metadata'].name).not.toBe(before['metadata'].name);
    expect(after['spec'].images[0].digest).toBe(second);
    await until(
      'the first pin to go',
      async () => (await pinFor('alone'))['metadata'].uid === after['metadata'].uid,
    );
  });

  test.each([
    ['statefulsets', statefulSet],
    ['daemonsets', daemonSet],
  ] as const)('with a ControllerRevision of %s, and its Pods keep their digest', async (kind, make) => {
    const name = `alone-${kind}`;
    const first = await registry.push(`shop/${name}`, '1.0', 'first');
    await samebytes.applyObjects(make(NS, name, { image: image(name) }));
    await rolledOut(samebytes.api, NS, kind, name);
    const before = await pinFor(name);
    expect(before['metadata'].ownerReferences[0].kind).toBe('ControllerRevision');
    await registry.push(`shop/${name}`, '1.0', 'second');
    await samebytes.kubectl.run('-n', NS, 'delete', 'controllerrevision', before['spec'].revision.name);
    await until('the pin to go', async () => {
      const uids = (await pinsOf(samebytes.api, NS)).map(({ metadata }) => metadata.uid);
      return !uids.includes(before['metadata'].uid);
    });
    await replacePod(name);
    expect(await digestsOf(name)).toEqual([first]);
    expect((await pinFor(name))['spec'].images[0].source).toBe('adopted');
  });

  test('with its namespace', async () => {
    await registry.push('shop/gone', '1.0', 'first');
    await samebytes.enabled('gone');
    await samebytes.applyObjects(deployment('gone', 'gone', { image: image('gone') }));
    await until('the pin', async () => (await pinsOf(samebytes.api, 'gone')).length === 1);
    await samebytes.kubectl.run('delete', 'namespace', 'gone', '--wait=true');
    expect(await pinsOf(samebytes.api, 'gone')).toEqual([]);
  });

  test('with a log line, as it began with one', async () => {
    await until(
      'the lines',
      () => /"msg":"pin created"/.test(samebytes.log) && /"msg":"pin ended"/.test(samebytes.log),
    );
    const line = samebytes.log.split('\n').find((text) => text.includes('"msg":"pin created"')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({
      namespace: expect.any(String),
      revision: expect.stringMatching(/^\w+\//),
      images: [expect.objectContaining({ digest: expect.stringMatching(/^sha256:/) })],
    });
  });

  test('where its owner was invented', async () => {
    await registry.push('shop/invented', '1.0', 'first');
    const owner = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'nobody',
      uid: '00000000-0000-4000-8000-000000000000',
      controller: true,
    };
    const pod = barePod(NS, 'invented', { image: image('invented') });
    await samebytes.api.post(`/api/v1/namespaces/${NS}/pods`, {
      ...pod,
      metadata: { ...pod['metadata'], ownerReferences: [owner] },
    });
    await until('Pod and pin to be collected', async () => {
      const pins = (await pinsOf(samebytes.api, NS)).filter(({ spec }) => spec.revision.name === 'nobody');
      return pins.length === 0 && (await samebytes.pods(NS, 'app=invented')).length === 0;
    });
  });
});

test('a Pod that claims the uid of a revision under another name changes nothing for it', async () => {
  const first = await registry.push('shop/claimed', '1.0', 'first');
  await samebytes.applyObjects(deployment(NS, 'claimed', { image: image('claimed') }));
  await rolledOut(samebytes.api, NS, 'deployments', 'claimed');
  const { spec } = await pinFor('claimed');
  await registry.push('shop/claimed', '1.0', 'second');
  for (let index = 0; index < 8; index += 1) {
    const { apiVersion, kind, uid } = spec.revision;
    const owner = { apiVersion, kind, uid, name: 'impostor', controller: true };
    const pod = barePod(NS, `impostor-${index}`, { image: image('claimed') });
    const metadata = { ...pod['metadata'], ownerReferences: [owner] };
    await samebytes.api.post(`/api/v1/namespaces/${NS}/pods`, { ...pod, metadata });
  }
  await scale(samebytes.api, NS, 'claimed', 12);
  await rolledOut(samebytes.api, NS, 'deployments', 'claimed');
  expect(await digestsOf('claimed')).toEqual([first]);
  await until('what the impostor left to go', async () => {
    const left = (await pinsOf(samebytes.api, NS)).filter(
      ({ spec: each }) => each.revision.name === 'impostor',
    );
    return left.length === 0;
  });
});

test('a dry run records nothing', async () => {
  await registry.push('shop/dry', '1.0', 'first');
  const before = (await pinsOf(samebytes.api, NS)).length;
  const owned = {
    ...barePod(NS, 'dry', { image: image('dry') }),
    metadata: {
      name: 'dry',
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'dry', uid: 'dry', controller: true },
      ],
    },
  };
  const answer = await samebytes.api.post(`/api/v1/namespaces/${NS}/pods?dryRun=All`, owned);
  expect(imagesOf(answer)[0]).toContain('@sha256:');
  expect(await pinsOf(samebytes.api, NS)).toHaveLength(before);
});

test('an audited namespace gets no pins', async () => {
  await registry.push('shop/audited', '1.0', 'first');
  await samebytes.namespace('pins-audited', { 'samebytes.dev/pin': 'audit' });
  await samebytes.applyObjects(deployment('pins-audited', 'audited', { image: image('audited') }));
  await rolledOut(samebytes.api, 'pins-audited', 'deployments', 'audited');
  expect(await pinsOf(samebytes.api, 'pins-audited')).toEqual([]);
});

test('a sidecar whose reference changed later is added to the pin, and nothing in it changes', async () => {
  await registry.push('shop/injected', '1.0', 'first');
  await samebytes.enabled('injected');
  const sidecars = [
    await registry.push('shop/mesh', '1', 'one'),
    await registry.push('shop/mesh', '2', 'two'),
  ];
  for (const [index, version] of ['1', '2'].entries()) {
    const injector = await Injector.start(samebytes.api, {
      image: `${registry.host}/shop/mesh:${version}`,
      namespace: 'injected',
      how: 'add',
    });
    const object = deployment('injected', 'injected', { image: image('injected'), replicas: index + 1 });
    await samebytes.applyObjects(object);
    await rolledOut(samebytes.api, 'injected', 'deployments', 'injected');
    await injector.stop();
  }
  const [pin = {}, ...others] = await pinsOf(samebytes.api, 'injected');
  expect(others).toEqual([]);
  const digests = pin['spec'].images.map(({ digest: each }: { digest: string }) => each);
  expect(digests).toHaveLength(3);
  expect(digests.slice(1)).toEqual(sidecars);
});

describe('the API server refuses', () => {
  const good = {
    apiVersion: 'samebytes.dev/v1alpha1',
    kind: 'ImagePin',
    metadata: { name: 'by-hand' },
    spec: {
      revision: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'by-hand', uid: 'u' },
      images: [
        {
          reference: 'docker.io/library/nginx:1',
          digest: digest('a'),
          resolvedAt: '2026-01-01T00:00:00Z',
          source: 'resolved',
        },
      ],
    },
  };
  const entry = good.spec.images[0];
  const withImages = (...images: object[]): object => ({ ...good, spec: { ...good.spec, images } });

  test.each([
    ['a wrong digest', withImages({ ...entry, digest: 'sha256:abc' })],
    ['a digest in upper case', withImages({ ...entry, digest: digest('A') })],
    ['no images', withImages()],
    [
      'too many images',
      withImages(...Array.from({ length: 129 }, (_, index) => ({ ...entry, reference: `r${index}` }))),
    ],
    ['one reference twice', withImages(entry as object, entry as object)],
    ['a reference that is too long', withImages({ ...entry, reference: 'r'.repeat(513) })],
    ['an unknown source', withImages({ ...entry, source: 'guessed' })],
    ['a time that is none', withImages({ ...entry, resolvedAt: 'yesterday' })],
    ['no revision', { ...good, spec: { images: good.spec.images } }],
    ['no spec', { ...good, spec: undefined }],
  ])('an ImagePin with %s', async (_what, object) => {
    await expect(samebytes.api.post(PINS, object)).rejects.toThrow(/^422/);
  });

  test.each([
    ['another digest', [{ op: 'replace', path: '/spec/images/0/digest', value: digest('b') }]],
    ['another time', [{ op: 'replace', path: '/spec/images/0/resolvedAt', value: '2026-02-01T00:00:00Z' }]],
    [
      'another reference',
      [{ op: 'replace', path: '/spec/images/0/reference', value: 'docker.io/library/other:1' }],
    ],
    ['another revision', [{ op: 'replace', path: '/spec/revision/uid', value: 'v' }]],
    ['an image less', [{ op: 'replace', path: '/spec/images', value: [{ ...entry, reference: 'x' }] }]],
  ])('to give a pin %s, even to an administrator', async (_what, operations) => {
    await samebytes.api.post(PINS, good).catch(() => {});
    const patch = samebytes.api.patch(`${PINS}/by-hand`, operations, 'application/json-patch+json');
    await expect(patch).rejects.toThrow(/^422/);
  });

  test.each([
    ['get', 'view', 'yes'],
    ['list', 'view', 'yes'],
    ['create', 'edit', 'no'],
    ['update', 'edit', 'no'],
    ['delete', 'admin', 'no'],
  ])('or allows to %s pins as %s: %s', async (verb, role, answer) => {
    const binding = [
      '-n',
      NS,
      'create',
      'rolebinding',
      `test-${role}`,
      `--clusterrole=${role}`,
      `--user=${role}`,
    ];
    await samebytes.kubectl.try(...binding);
    const ask = async (asked: string): Promise<string> => {
      const question = ['auth', 'can-i', asked, 'imagepins.samebytes.dev', '-n', NS, `--as=${role}`];
      return (await samebytes.kubectl.try(...question)).stdout.trim();
    };
    // Before binding and aggregation are seen, everything is forbidden.
    await until('the role to be in force', async () => (await ask('get')) === 'yes');
    expect(await ask(verb)).toBe(answer);
  });
});

test('an ImagePin that somebody put in the place of a revision’s own is never written into a Pod', async () => {
  await registry.push('shop/usurped', '1.0', 'first');
  await samebytes.applyObjects(deployment(NS, 'usurped', { image: image('usurped'), replicas: 0 }));
  const [replicaSet] = await until('the ReplicaSet', async () => {
    const { items } = await samebytes.api.get(
      `/apis/apps/v1/namespaces/${NS}/replicasets?labelSelector=app%3Dusurped`,
    );
    return items.length > 0 && (items as KubeObject[]);
  });
  const { name, uid } = (replicaSet ?? {})['metadata'];
  const hash = createHash('sha256').update(uid).digest('hex').slice(0, 10);
  await samebytes.api.post(PINS, {
    apiVersion: 'samebytes.dev/v1alpha1',
    kind: 'ImagePin',
    metadata: { name: `${name}-${hash}` },
    spec: {
      revision: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: 'somebody-else' },
      images: [
        {
          reference: image('usurped'),
          digest: digest('e'),
          resolvedAt: '2026-01-01T00:00:00Z',
          source: 'resolved',
        },
      ],
    },
  });
  await scale(samebytes.api, NS, 'usurped', 1);
  await samebytes.eventMessage(NS, /usurped.*cannot be read|usurped.*pin/);
  expect(await samebytes.pods(NS, 'app=usurped')).toEqual([]);
  await until('the log to say why', () => samebytes.log.includes('ImagePin that samebytes did not write'));
});

test('both processes worked', () => {
  samebytes.expectAllToWork();
});
