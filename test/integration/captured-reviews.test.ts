import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WebhookUnderTest, type ReviewResponse } from '../support/running-webhook.ts';

// Reviews as a real API server (1.36) sent them, byte for byte but for the registry's host.

let webhook: WebhookUnderTest;

beforeAll(async () => {
  webhook = await WebhookUnderTest.start();
  for (const repository of [
    'web',
    'db',
    'agent',
    'old',
    'migrate',
    'bare',
    'prepare',
    'sidecar',
    'main',
    'data',
    'dry',
  ]) {
    for (const tag of ['1', '1.0', '2', 'latest'])
      await webhook.registry.push(`shop/${repository}`, tag, repository);
  }
  await webhook.registry.push('tools/debug', '1', 'debug');
});

afterAll(async () => {
  await webhook.stop();
});

async function send(name: string): Promise<{ response: ReviewResponse; paths: string[] }> {
  const text = await readFile(new URL(`../fixtures/reviews/${name}.json`, import.meta.url), 'utf8');
  const answer = await webhook.post(
    '/mutate?timeout=5s',
    text.replaceAll('localhost:5000', webhook.registry.host),
    {
      'user-agent': 'kube-apiserver-admission',
      accept: 'application/json, */*',
      'accept-encoding': 'gzip',
    },
  );
  expect(answer.status).toBe(200);
  const { response } = JSON.parse(answer.text) as { response: ReviewResponse };
  const patch = Buffer.from(response.patch ?? 'W10=', 'base64').toString('utf8');
  const paths = (JSON.parse(patch) as { path: string }[]).map(({ path }) => path);
  expect(response).toMatchObject({ allowed: true, uid: JSON.parse(text).request.uid });
  return { response, paths };
}

const ANNOTATION = '/metadata/annotations';

test.each([
  ['create-replicaset', 'ReplicaSet', ['/spec/containers/0/image', ANNOTATION]],
  ['create-replicationcontroller', 'ReplicationController', ['/spec/containers/0/image', ANNOTATION]],
  ['create-statefulset', 'StatefulSet', ['/spec/containers/0/image', ANNOTATION]],
  ['create-daemonset', 'DaemonSet', ['/spec/containers/0/image', ANNOTATION]],
  ['create-job', 'Job', ['/spec/containers/0/image', ANNOTATION]],
])('%s is pinned as a replica of its %s', async (name, kind, paths) => {
  const created = await webhook.metric('samebytes_pins_created_total');
  const sent = await send(name);
  expect(sent.paths).toEqual(paths);
  expect(await webhook.metric('samebytes_pins_created_total')).toBe(created + 1);
  const line = (await webhook.admissionsLogged()).at(-1);
  expect(line?.owner).toMatch(new RegExp(`^${kind}/`));
  // The second time it is known.
  await send(name);
  expect(await webhook.metric('samebytes_pins_created_total')).toBe(created + 1);
});

test('a bare Pod is pinned for itself alone: applied by kubectl it has annotations already, and leaves no pin', async () => {
  const created = await webhook.metric('samebytes_pins_created_total');
  expect((await send('create-bare')).paths).toEqual([
    '/spec/containers/0/image',
    `${ANNOTATION}/samebytes.dev~1images`,
  ]);
  expect(await webhook.metric('samebytes_pins_created_total')).toBe(created);
});

test('init containers, sidecars, containers and image volumes are all pinned', async () => {
  expect((await send('create-all-image-fields')).paths).toEqual([
    '/spec/initContainers/0/image',
    '/spec/initContainers/1/image',
    '/spec/containers/0/image',
    '/spec/volumes/0/image/reference',
    `${ANNOTATION}/samebytes.dev~1images`,
  ]);
});

test('the ephemeral container of kubectl debug is pinned, and nothing else is touched', async () => {
  expect((await send('update-ephemeralcontainers')).paths).toEqual(['/spec/ephemeralContainers/0/image']);
});

test.each(['update-label', 'update-job-finalizer'])('%s leaves the running Pod alone', async (name) => {
  const { response, paths } = await send(name);
  expect(paths).toEqual([]);
  expect(response.auditAnnotations).toEqual({ outcome: 'nothing_to_pin' });
});

test('kubectl set image on a Pod pins the image that changed', async () => {
  const { paths } = await send('update-image');
  expect(paths[0]).toBe('/spec/containers/0/image');
});

test('a server-side dry run is answered with a patch and leaves no pin', async () => {
  const created = await webhook.metric('samebytes_pins_created_total');
  expect((await send('create-dry-run')).paths).toContain('/spec/containers/0/image');
  expect(await webhook.metric('samebytes_pins_created_total')).toBe(created);
});

test('the sample that the demo sends is one of them, unchanged', async () => {
  const sample = await readFile(new URL('../../src/demo/admission-review.json', import.meta.url));
  const captured = await readFile(new URL('../fixtures/reviews/create-replicaset.json', import.meta.url));
  expect(sample.equals(captured)).toBe(true);
});
