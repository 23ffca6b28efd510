import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../support/cluster/api.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { barePod, deployment, imagesOf, statefulSet } from '../support/cluster/objects.ts';
import { restart, rolledOut, scale } from '../support/cluster/rollouts.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { hasJq, ranAt } from '../support/log-query.ts';
import { until } from '../support/until.ts';

// What samebytes did, and why not, as people see it: kubectl describe, kubectl's warnings, the API server's audit log, the log.

const testWithJq = hasJq ? test : test.skip;
const NS = 'telling';
let registry: DistributionRegistry;
let samebytes: Installation;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  samebytes = await Installation.install(sharedControlPlane(), {
    processes: 2,
    settings: {
      registries: [{ host: registry.host, insecure: true, allowLoopback: true }],
      pins: { checkDigestsEveryMs: 1_000 },
    },
  });
  await samebytes.enabled(NS);
  await samebytes.namespace('telling-allow', {
    'samebytes.dev/pin': 'enabled',
    'samebytes.dev/on-failure': 'allow',
  });
  await samebytes.namespace('telling-audit', { 'samebytes.dev/pin': 'audit' });
});

afterAll(async () => {
  await samebytes?.remove();
  await registry?.remove();
});

const image = (name: string): string => `${registry.host}/shop/${name}:1.0`;

/** What `kubectl describe` shows of an object once it has such an event. */
async function described(namespace: string, what: string, pattern: RegExp): Promise<string> {
  return until(`kubectl describe ${what} to show ${String(pattern)}`, async () => {
    const text = await samebytes.kubectl.run('-n', namespace, 'describe', what);
    return pattern.test(text) ? text : undefined;
  });
}

async function eventsIn(namespace: string): Promise<KubeObject[]> {
  const { items } = await samebytes.api.get(`/api/v1/namespaces/${namespace}/events?limit=1000`);
  return (items as KubeObject[]).filter(({ source }) => source?.component === 'samebytes');
}

async function replicaSetsOf(name: string, namespace = NS): Promise<KubeObject[]> {
  const selector = `labelSelector=app%3D${name}`;
  const { items } = await samebytes.api.get(`/apis/apps/v1/namespaces/${namespace}/replicasets?${selector}`);
  return items as KubeObject[];
}

/** The audit records of Pods that were created in a namespace. */
async function audited(namespace: string): Promise<KubeObject[]> {
  const text = await readFile(sharedControlPlane().auditLog, 'utf8');
  return text
    .split('\n')
    .filter((line) => line.includes(`"namespace":"${namespace}"`) && line.includes('"verb":"create"'))
    .map((line) => JSON.parse(line) as KubeObject)
    .filter(({ objectRef }) => objectRef.resource === 'pods');
}

/** One annotation of each of these records. */
const annotationsOf = async (namespace: string, key: string): Promise<string[]> =>
  (await audited(namespace)).map((record) => String(record['annotations']?.[key]));

/** Whether samebytes itself may do this: `yes` or `no`. */
const can = async (verb: string, resource: string): Promise<string> =>
  (
    await samebytes.kubectl.try(
      ...['auth', 'can-i', verb, resource, '-n', NS],
      ...['--as', 'system:serviceaccount:samebytes:samebytes'],
    )
  ).stdout.trim();

describe('kubectl describe', () => {
  test('of a Deployment and of its ReplicaSet says what was pinned, once for all their Pods', async () => {
    const digest = await registry.push('shop/described', '1.0', 'first');
    await samebytes.applyObjects(deployment(NS, 'described', { image: image('described'), replicas: 4 }));
    await rolledOut(samebytes.api, NS, 'deployments', 'described');
    const [replicaSet] = await replicaSetsOf('described');
    const name = String(replicaSet?.metadata.name);
    for (const what of ['deployment/described', `replicaset/${name}`]) {
      const text = await described(NS, what, /ImagePinned/);
      expect(text).toContain(`for all Pods of ${name}: ${image('described')} is ${digest}`);
      expect(text).toMatch(/Normal\s+ImagePinned\s+.*\bsamebytes\b/);
    }
    const about = (await eventsIn(NS)).filter(({ message }) => String(message).includes(name));
    expect(about.map(({ involvedObject, count }) => `${involvedObject.kind} ${count}`).toSorted()).toEqual([
      'Deployment 1',
      'ReplicaSet 1',
    ]);
  });

  test('of a Deployment says that the registry has its digest no more', async () => {
    const digest = await registry.push('shop/deleted', '1.0', 'deleted soon');
    await samebytes.applyObjects(deployment(NS, 'deleted', { image: image('deleted') }));
    await rolledOut(samebytes.api, NS, 'deployments', 'deleted');
    await registry.deleteManifest('shop/deleted', digest);
    const text = await described(NS, 'deployment/deleted', /PinnedDigestMissing/);
    expect(text).toContain(`does not have ${registry.host}/shop/deleted@${digest} any more`);
    expect(text).toContain('kubectl rollout restart');
  });

  test('of a StatefulSet says what was pinned for its revision', async () => {
    const digest = await registry.push('shop/set', '1.0', 'first');
    await samebytes.applyObjects(statefulSet(NS, 'set', { image: image('set') }));
    await rolledOut(samebytes.api, NS, 'statefulsets', 'set');
    const text = await described(NS, 'statefulset/set', /ImagePinned/);
    expect(text).toContain(`${image('set')} is ${digest}`);
    const kinds = (await eventsIn(NS)).map(({ involvedObject }) => involvedObject.kind);
    expect(kinds).not.toContain('ControllerRevision');
  });

  test('of a Deployment says why its Pods are refused, and counts the tries instead of listing them', async () => {
    await samebytes.applyObjects(deployment(NS, 'refused', { image: image('refused'), replicas: 3 }));
    const text = await described(NS, 'deployment/refused', /ImageRefused/);
    expect(text).toContain('the registry has no such tag; push it, or correct the image');
    const refusals = async (): Promise<KubeObject[]> =>
      (await eventsIn(NS)).filter(({ reason, involvedObject }) => {
        return reason === 'ImageRefused' && String(involvedObject.name).startsWith('refused');
      });
    await until('several tries', async () => (await refusals()).every(({ count }) => count > 1));
    // Each of the two webhook processes counts what it answered.
    expect((await refusals()).length).toBeLessThanOrEqual(4);
    await samebytes.api.delete(`/apis/apps/v1/namespaces/${NS}/deployments/refused`);
  });

  test('of a Deployment says why its Pods run by their tag, where the namespace allows that', async () => {
    const object = deployment('telling-allow', 'unpinned', { image: image('missing') });
    await samebytes.applyObjects(object);
    const text = await described('telling-allow', 'deployment/unpinned', /ImageNotPinned/);
    expect(text).toMatch(
      /web: ".*\/shop\/missing:1.0" runs by its tag, not pinned: the registry has no such tag/,
    );
  });

  test('of a Deployment says that its tag moved: when it is restarted, and when old bytes run again', async () => {
    const first = await registry.push('shop/moved', '1.0', 'first');
    await samebytes.applyObjects(deployment(NS, 'moved', { image: image('moved'), replicas: 2 }));
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    const [old] = await replicaSetsOf('moved');
    const second = await registry.push('shop/moved', '1.0', 'second');
    await scale(samebytes.api, NS, 'moved', 3);
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    await restart(samebytes.api, NS, 'deployments', 'moved');
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    const born = await described(NS, 'deployment/moved', /Normal\s+TagMoved/);
    expect(born).toContain(`runs ${second}, ${String(old?.metadata.name)} before it ${first}`);
    expect(born).not.toMatch(/Warning\s+TagMoved/);
    await samebytes.kubectl.run('-n', NS, 'rollout', 'undo', 'deployment/moved');
    await rolledOut(samebytes.api, NS, 'deployments', 'moved');
    const undone = await described(NS, 'deployment/moved', /Warning\s+TagMoved/);
    expect(undone).toContain(`Pods of ${String(old?.metadata.name)} run ${first}, as its first Pod did`);
    expect(undone).toContain(`has ${second}. To get the newer bytes: kubectl rollout restart`);
  });

  test('says nothing of dry runs and audits', async () => {
    await registry.push('shop/quiet', '1.0', 'first');
    await samebytes.applyObjects(deployment('telling-audit', 'quiet', { image: image('quiet') }));
    await rolledOut(samebytes.api, 'telling-audit', 'deployments', 'quiet');
    const [{ apiVersion, kind, metadata } = {}] = await replicaSetsOf('described');
    const ownerReferences = [
      {
        apiVersion: apiVersion ?? 'apps/v1',
        kind: kind ?? 'ReplicaSet',
        name: metadata.name,
        uid: metadata.uid,
        controller: true,
      },
    ];
    const pod = barePod(NS, 'dry', { image: image('never-pushed') });
    Object.assign(pod['metadata'], { ownerReferences });
    await expect(samebytes.api.post(`/api/v1/namespaces/${NS}/pods?dryRun=All`, pod)).rejects.toThrow(
      'cannot pin image',
    );
    // Events are written in order: once this one is there, those before it would be.
    await samebytes.applyObjects(deployment(NS, 'after', { image: image('quiet') }));
    await described(NS, 'deployment/after', /ImagePinned/);
    expect(await eventsIn('telling-audit')).toEqual([]);
    const messages = (await eventsIn(NS)).map(({ message }) => String(message));
    expect(messages.filter((message) => message.includes('never-pushed'))).toEqual([]);
  });
});

describe('the audit log of the API server', () => {
  test('says per Pod what each reference became, and where the digest came from', async () => {
    const digest = await registry.push('shop/audited', '1.0', 'first');
    await samebytes.applyObjects(deployment(NS, 'audited', { image: image('audited') }));
    await rolledOut(samebytes.api, NS, 'deployments', 'audited');
    await scale(samebytes.api, NS, 'audited', 2);
    await rolledOut(samebytes.api, NS, 'deployments', 'audited');
    const records = await until('both Pods in the audit log', async () => {
      const found = (await audited(NS)).filter(({ annotations }) =>
        annotations?.['enabled.samebytes.dev/images']?.includes('shop/audited'),
      );
      return found.length === 2 ? found : undefined;
    });
    expect(records.map(({ annotations }) => annotations)).toMatchObject([
      {
        'enabled.samebytes.dev/outcome': 'pinned',
        'enabled.samebytes.dev/images': `web: ${image('audited')} -> ${digest} (registry)`,
      },
      {
        'enabled.samebytes.dev/outcome': 'pinned',
        'enabled.samebytes.dev/images': `web: ${image('audited')} -> ${digest} (pin)`,
      },
    ]);
  });

  test('says what an audit would do, and why a Pod was refused', async () => {
    await samebytes.applyObjects(barePod('telling-audit', 'would', { image: image('quiet') }));
    await expect(samebytes.applyObjects(barePod(NS, 'no', { image: image('absent') }))).rejects.toThrow(
      'cannot pin',
    );
    await until('the audit', async () =>
      (await annotationsOf('telling-audit', 'audit.samebytes.dev/outcome')).includes('would_pin'),
    );
    await until('the refusal', async () =>
      (await annotationsOf(NS, 'enabled.samebytes.dev/images')).includes(
        `web: ${image('absent')} failed (not_found)`,
      ),
    );
  });
});

describe('kubectl apply', () => {
  test('prints warnings within the limits of the API server, however many there are and whatever is in them', async () => {
    const containers = Array.from({ length: 60 }, (_, index) => ({
      name: `container-with-a-rather-long-name-that-goes-on-${index}`,
      image: `${registry.host}/shop/${'very-long-repository-name/'.repeat(6)}app:tag-${index}`,
    }));
    const object = barePod('telling-allow', 'many', { image: image('missing'), spec: { containers } });
    const { stderr } = await samebytes.applyObjects(object);
    const warnings = [...stderr.matchAll(/^Warning: (.*)$/gm)].map(([, text = '']) => text);
    expect(warnings.length).toBeGreaterThan(10);
    for (const warning of warnings) {
      expect(warning).toMatch(/^samebytes: /);
      expect(warning.length).toBeLessThanOrEqual(256);
    }
    expect(warnings.join('').length).toBeLessThanOrEqual(4096);
    expect(warnings.at(-1)).toMatch(/^samebytes: and \d+ more warnings$/);
    const created = await samebytes.api.get('/api/v1/namespaces/telling-allow/pods/many');
    expect(imagesOf(created)).toEqual(containers.map((container) => container.image));
  });
});

describe('the log', () => {
  test('has a line for the birth of a pin, and one from each process for its end', async () => {
    const digest = await registry.push('shop/logged', '1.0', 'first');
    await samebytes.applyObjects(deployment(NS, 'logged', { image: image('logged') }));
    await rolledOut(samebytes.api, NS, 'deployments', 'logged');
    const linesOf = (message: string): Record<string, unknown>[] =>
      samebytes.log
        .split('\n')
        .filter((line) => line.includes(`"msg":"${message}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const births = await until('the birth', async () => {
      const found = linesOf('pin created').filter(({ workload }) => workload === 'Deployment/logged');
      return found.length > 0 ? found : undefined;
    });
    const [replicaSet] = await replicaSetsOf('logged');
    expect(births).toEqual([
      expect.objectContaining({
        level: 'info',
        namespace: NS,
        revision: `ReplicaSet/${String(replicaSet?.metadata.name)}`,
        revisionUid: replicaSet?.metadata.uid,
        images: [{ reference: image('logged'), digest, resolvedAt: expect.any(String), source: 'resolved' }],
      }),
    ]);
    await samebytes.api.delete(`/apis/apps/v1/namespaces/${NS}/deployments/logged`);
    const ends = await until('both ends', async () => {
      const found = linesOf('pin ended').filter(({ pin }) => pin === births[0]?.['pin']);
      return found.length === 2 ? found : undefined;
    });
    for (const end of ends) {
      expect(end).toMatchObject({
        namespace: NS,
        revision: `ReplicaSet/${String(replicaSet?.metadata.name)}`,
        revisionUid: replicaSet?.metadata.uid,
        bornAt: expect.any(String),
      });
    }
  });

  testWithJq(
    'says what runs, by the query of docs/logs.md: what is there, and nothing that is gone',
    async () => {
      const [replicaSet] = await replicaSetsOf('described');
      const ran = await ranAt(samebytes.log, new Date(Date.now() + 1_000).toISOString());
      const revision = `ReplicaSet/${String(replicaSet?.metadata.name)}`;
      expect(ran).toContain([NS, 'Deployment/described', revision, image('described'), 'sha256:'].join('\t'));
      expect(ran).not.toContain('/logged');
    },
  );

  test('of events that could not be written is empty, and no event failed', async () => {
    expect(samebytes.log).not.toContain('cannot write an event');
    expect(samebytes.log).not.toContain('cannot look for tags that moved');
    expect(await samebytes.metric('samebytes_events_total{result="failed"}')).toBe(0);
    expect(await samebytes.metric('samebytes_events_total{result="written"}')).toBeGreaterThan(5);
  });
});

test('samebytes may write events and read ReplicaSets, and nothing more of either', async () => {
  const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
  const allowed = async (resource: string): Promise<string[]> => {
    const answers = await Promise.all(verbs.map(async (verb) => [verb, await can(verb, resource)] as const));
    return answers.filter(([, answer]) => answer === 'yes').map(([verb]) => verb);
  };
  expect(await allowed('events')).toEqual(['list', 'create', 'patch']);
  expect(await allowed('replicasets.apps')).toEqual(['get']);
});
