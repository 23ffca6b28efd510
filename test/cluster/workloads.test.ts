import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../support/cluster/api.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import {
  barePod,
  cronJob,
  daemonSet,
  deployment,
  imagesOf,
  job,
  statefulSet,
} from '../support/cluster/objects.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { until } from '../support/until.ts';

const NS = 'workloads';
let registry: DistributionRegistry;
let samebytes: Installation;
let tagged: string;
let pinned: string;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  const digest = await registry.push('shop/web', '1.0', 'first');
  tagged = `${registry.host}/shop/web:1.0`;
  pinned = `${registry.host}/shop/web@${digest}`;
  samebytes = await Installation.install(sharedControlPlane(), {
    settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
  });
  await samebytes.enabled(NS);
});

afterAll(async () => {
  await samebytes?.remove();
  await registry?.remove();
});

describe('every Pod is pinned of', () => {
  test('a Deployment, whose own spec and whose ReplicaSet stay as they were written', async () => {
    await samebytes.applyObjects(deployment(NS, 'deploy', { image: tagged, replicas: 3 }));
    const pods = await samebytes.runningPods(NS, 3, 'app=deploy');
    expect(pods.flatMap(imagesOf)).toEqual([pinned, pinned, pinned]);
    const written = await samebytes.api.get(`/apis/apps/v1/namespaces/${NS}/deployments/deploy`);
    expect(written['metadata'].generation).toBe(1);
    expect(imagesOf(written['spec'].template)).toEqual([tagged]);
    const { items } = await samebytes.api.get(
      `/apis/apps/v1/namespaces/${NS}/replicasets?labelSelector=app%3Ddeploy`,
    );
    expect(items).toHaveLength(1);
    expect(imagesOf(items[0].spec.template)).toEqual([tagged]);
  });

  test('a StatefulSet', async () => {
    await samebytes.applyObjects(statefulSet(NS, 'stateful', { image: tagged, replicas: 2 }));
    const pods = await samebytes.runningPods(NS, 2, 'app=stateful');
    expect(pods.flatMap(imagesOf)).toEqual([pinned, pinned]);
  });

  test('a DaemonSet', async () => {
    await samebytes.applyObjects(daemonSet(NS, 'daemon', { image: tagged }));
    const pods = await samebytes.runningPods(NS, 3, 'app=daemon');
    expect(pods.flatMap(imagesOf)).toEqual([pinned, pinned, pinned]);
  });

  test('a Job, and of a CronJob', async () => {
    await samebytes.applyObjects(job(NS, 'once', { image: tagged }), cronJob(NS, 'cron', { image: tagged }));
    await samebytes.kubectl.run('-n', NS, 'create', 'job', '--from=cronjob/cron', 'cron-now');
    for (const name of ['once', 'cron']) {
      const pods = await samebytes.runningPods(NS, 1, `app=${name}`);
      expect(pods.flatMap(imagesOf)).toEqual([pinned]);
    }
  });
});

test('`kubectl describe pod` shows the digest, and what was written', async () => {
  await samebytes.applyObjects(barePod(NS, 'described', { image: tagged }));
  const text = await samebytes.kubectl.run('-n', NS, 'describe', 'pod', 'described');
  expect(text).toMatch(new RegExp(String.raw`Image:\s+${pinned}`));
  expect(text).toContain(`"reference":"${tagged}"`);
});

test('images of init containers, sidecars and volumes are pinned too', async () => {
  const spec = {
    initContainers: [
      { name: 'first', image: tagged },
      { name: 'sidecar', image: tagged, restartPolicy: 'Always' },
    ],
    volumes: [{ name: 'data', image: { reference: tagged } }],
  };
  const { stdout } = await samebytes.applyObjects(barePod(NS, 'all-fields', { image: tagged, spec }));
  expect(stdout).toContain('created');
  const { spec: admitted } = await samebytes.api.get(`/api/v1/namespaces/${NS}/pods/all-fields`);
  expect(admitted.initContainers.map(({ image }: { image: string }) => image)).toEqual([pinned, pinned]);
  expect(admitted.volumes[0].image.reference).toBe(pinned);
});

test('`kubectl debug` gets a pinned container, and the Pod nothing else', async () => {
  await samebytes.applyObjects(barePod(NS, 'debugged', { image: tagged }));
  await samebytes.runningPods(NS, 1, 'app=debugged');
  await samebytes.kubectl.run(
    ...['-n', NS, 'debug', 'debugged', `--image=${tagged}`, '-c', 'look', '--profile=general', '--', 'sh'],
  );
  const { spec } = await samebytes.api.get(`/api/v1/namespaces/${NS}/pods/debugged`);
  expect(spec.ephemeralContainers).toEqual([expect.objectContaining({ name: 'look', image: pinned })]);
  expect(spec.containers[0].image).toBe(pinned);
});

/** What users write: the generation moves with it, the resourceVersion with the status too. */
function writtenParts({ metadata, spec }: KubeObject): unknown[] {
  return [metadata.generation, metadata.annotations, spec.containers];
}

test('a bare Pod that is applied again after the tag moved changes nothing and asks no registry', async () => {
  const first = await registry.push('shop/bare', '1.0', 'first');
  const object = barePod(NS, 'again', { image: `${registry.host}/shop/bare:1.0` });
  await samebytes.applyObjects(object);
  const [running = {}] = await samebytes.runningPods(NS, 1, 'app=again');
  await registry.push('shop/bare', '1.0', 'second');
  const asked = registry.manifestRequests.length;
  const file = await samebytes.file(object);
  expect((await samebytes.kubectl.try('diff', '-f', file)).code).toBe(0);
  await samebytes.kubectl.apply(file);
  const applied = await samebytes.api.get(`/api/v1/namespaces/${NS}/pods/again`);
  expect(writtenParts(applied)).toEqual(writtenParts(running));
  const second = await samebytes.kubectl.try('apply', '-f', file, '--server-side', '--field-manager=second');
  expect(second.stderr).toContain('conflict');
  expect(await samebytes.kubectl.apply(file, '--server-side', '--force-conflicts')).toContain('again');
  const { spec } = await samebytes.api.get(`/api/v1/namespaces/${NS}/pods/again`);
  expect(spec.containers[0].image).toBe(`${registry.host}/shop/bare@${first}`);
  expect(registry.manifestRequests).toHaveLength(asked);
});

test('`kubectl diff` shows nothing for what runs pinned', async () => {
  const object = deployment(NS, 'differs', { image: tagged });
  await samebytes.applyObjects(object);
  await samebytes.runningPods(NS, 1, 'app=differs');
  const { code, stdout } = await samebytes.kubectl.try('diff', '-f', await samebytes.file(object));
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
});

test('a server-side dry run shows the digest', async () => {
  const file = await samebytes.file(barePod(NS, 'dry', { image: tagged }));
  const text = await samebytes.kubectl.run('apply', '--dry-run=server', '-o', 'yaml', '-f', file);
  expect(text).toContain(`image: ${pinned}`);
  expect(await samebytes.pods(NS, 'app=dry')).toEqual([]);
});

test('an annotation leaves containers alone, and the validating policy lets them be', async () => {
  const spec = {
    containers: [
      { name: 'web', image: tagged },
      { name: 'proxy', image: tagged },
      { name: 'never', image: tagged, imagePullPolicy: 'Never' },
      { name: 'odd', image: 'no//reference' },
    ],
  };
  const annotations = { 'samebytes.dev/policy': 'sticky,proxy=off' };
  const { stderr } = await samebytes.applyObjects(barePod(NS, 'mixed', { image: tagged, annotations, spec }));
  const { spec: admitted } = await samebytes.api.get(`/api/v1/namespaces/${NS}/pods/mixed`);
  expect(imagesOf({ spec: admitted })).toEqual([pinned, tagged, tagged, 'no//reference']);
  expect(stderr).toContain('Warning: samebytes: odd: "no//reference" is not an image reference');
});

test('policy `off` for a whole Pod leaves it as it is', async () => {
  const annotations = { 'samebytes.dev/policy': 'off' };
  await samebytes.applyObjects(barePod(NS, 'all-off', { image: tagged, annotations }));
  const [pod = {}] = await samebytes.pods(NS, 'app=all-off');
  expect(imagesOf(pod)).toEqual([tagged]);
});

test('policy `follow` takes what the tag means about now', async () => {
  const annotations = { 'samebytes.dev/policy': 'follow' };
  await samebytes.applyObjects(barePod(NS, 'followed', { image: tagged, annotations }));
  const [pod = {}] = await samebytes.pods(NS, 'app=followed');
  expect(imagesOf(pod)).toEqual([pinned]);
});

test('updates that change no image never reach the webhook, and Pods with a digest reach it once', async () => {
  await samebytes.applyObjects(barePod(NS, 'quiet', { image: pinned }));
  await samebytes.api.patch(`/api/v1/namespaces/${NS}/pods/quiet`, { metadata: { labels: { a: 'b' } } });
  const running = `/api/v1/namespaces/${NS}/pods/described`;
  await samebytes.api.patch(running, { metadata: { labels: { a: 'b' } } });
  const about = (await samebytes.decisionsUntilNow()).filter(
    ({ pod }) => pod === 'quiet' || pod === 'described',
  );
  expect(about.map(({ pod, operation, outcome }) => [pod, operation, outcome])).toEqual([
    ['described', 'CREATE', 'pinned'],
    ['quiet', 'CREATE', 'nothing_to_pin'],
  ]);
});

describe('a Pod with 1,000 containers', () => {
  const containers = Array.from({ length: 1_000 }, (_, index) => ({
    name: `c-${index}`,
    image: 'see below',
  }));

  test('is pinned throughout, and its metadata can be changed', async () => {
    const spec = { containers: containers.map(({ name }) => ({ name, image: tagged })) };
    await samebytes.api.post(`/api/v1/namespaces/${NS}/pods`, {
      ...barePod(NS, 'thousand', { image: tagged, spec }),
      metadata: { name: 'thousand', finalizers: ['example.com/kept'] },
    });
    const path = `/api/v1/namespaces/${NS}/pods/thousand`;
    const admitted = await samebytes.api.get(path);
    expect(new Set(imagesOf(admitted))).toEqual(new Set([pinned]));
    await samebytes.api.patch(path, { metadata: { labels: { a: 'b' } } });
    await samebytes.api.patch(path, { metadata: { finalizers: null } });
    const after = await samebytes.api.get(path);
    expect(after['metadata'].labels).toEqual({ a: 'b' });
    expect(after['metadata'].finalizers).toBeUndefined();
  });

  test('that are all left alone passes the validating policy', async () => {
    const spec = { containers: containers.map(({ name }) => ({ name, image: tagged })) };
    const annotations = { 'samebytes.dev/policy': 'off' };
    await samebytes.api.post(
      `/api/v1/namespaces/${NS}/pods`,
      barePod(NS, 'thousand-off', { image: tagged, annotations, spec }),
    );
    const [pod = {}] = await samebytes.pods(NS, 'app=thousand-off');
    expect(new Set(imagesOf(pod))).toEqual(new Set([tagged]));
  });
});

test('a new revision is denied while the registry is away, says so, and starts when it is back', async () => {
  await registry.push('shop/away', '1.0', 'first');
  await registry.stop();
  await samebytes.applyObjects(deployment(NS, 'away', { image: `${registry.host}/shop/away:1.0` }));
  const message = await samebytes.eventMessage(NS, /shop\/away/);
  expect(message).toContain('the registry is unreachable');
  expect(message).toContain('kubectl rollout restart');
  await registry.start();
  await samebytes.kubectl.run('-n', NS, 'rollout', 'restart', 'deployment/away');
  await until('the Pod', async () => (await samebytes.pods(NS, 'app=away')).length > 0);
});
