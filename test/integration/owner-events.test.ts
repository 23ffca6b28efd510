import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { pinObject } from '../../src/kubernetes/image-pin-object.ts';
import { digest } from '../support/digests.ts';
import { HttpApi } from '../support/http-api.ts';
import { admissionReview, ownedBy, pod } from '../support/pods.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';
import { until } from '../support/until.ts';

// Events through the real server and the real Kubernetes client: that no admission waits for them.

jest.setTimeout(30_000);

let api: HttpApi;
let webhook: WebhookUnderTest;
/** Event objects as they were sent. */
let sent: Record<string, unknown>[];
/** Answers what is asked about events; holds it where a test does. */
let answerEvent: (response: ServerResponse) => void;
/** The ImagePins in the cluster. */
let pins: { readonly metadata?: unknown }[];

beforeEach(async () => {
  sent = [];
  pins = [];
  answerEvent = (response) => answer(response, 201, {});
  api = await HttpApi.start((request, response) => {
    if (request.url?.includes('/events') === true && request.method === 'POST') {
      void bodyOf(request).then((body) => {
        sent.push(body);
        answerEvent(response);
      });
    } else if (request.url?.includes('/replicasets/') === true) {
      const controller = { ...DEPLOYMENT, controller: true };
      answer(response, 200, { metadata: { uid: 'rs-1', ownerReferences: [controller] } });
    } else if (request.url?.includes('/imagepins/') === true) {
      const pin = pins.find(({ metadata }) => request.url?.endsWith(`/${nameOf(metadata)}`));
      answer(response, pin === undefined ? 404 : 200, pin ?? {});
    } else answer(response, 200, { items: pins, metadata: {} });
  });
  webhook = await WebhookUnderTest.start({}, { cluster: api.cluster });
});

afterEach(async () => {
  await webhook.stop();
  await api.stop();
});

const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'deployment-1' };

function nameOf(metadata: unknown): string {
  return (metadata as { readonly name: string }).name;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
}

function created(tag: string, revision = 'rs-1'): object {
  return pod({
    metadata: { ownerReferences: [ownedBy('ReplicaSet', revision)] },
    spec: { containers: [{ name: 'web', image: webhook.image(tag) }] },
  });
}

const aboutEvents = (): string[] => api.asked.filter((line) => /events|replicasets/.test(line));

test('admissions are answered while the API server takes no event, and nothing is asked twice for two hundred refusals', async () => {
  answerEvent = () => {};
  for (let index = 0; index < 200; index += 1) {
    const { allowed } = await webhook.review(admissionReview(created('missing')));
    expect(allowed).toBe(false);
  }
  expect(aboutEvents()).toEqual([
    'GET /apis/apps/v1/namespaces/shop/replicasets/web',
    'POST /api/v1/namespaces/shop/events',
  ]);
});

test('owner and Deployment are told of a refusal after its answer, and of a birth', async () => {
  await webhook.review(admissionReview(created('missing')));
  await until('both events', () => sent.length === 2);
  expect(sent).toMatchObject([
    { reason: 'ImageRefused', type: 'Warning', involvedObject: { kind: 'ReplicaSet', uid: 'rs-1' } },
    { reason: 'ImageRefused', type: 'Warning', involvedObject: { kind: 'Deployment', uid: 'deployment-1' } },
  ]);
  const pushed = await webhook.registry.push('shop/web', '1.0', 'first');
  await webhook.admit(created('1.0'));
  await webhook.admit(created('1.0'));
  await until('the birth', () => sent.length === 4);
  expect(sent.slice(2)).toMatchObject([
    { reason: 'ImagePinned', type: 'Normal', involvedObject: { kind: 'ReplicaSet' }, count: 1 },
    { reason: 'ImagePinned', type: 'Normal', involvedObject: { kind: 'Deployment' }, count: 1 },
  ]);
  expect(sent[3]?.['message']).toBe(`for all Pods of web: ${webhook.image('1.0')} is ${pushed}`);
  expect(await webhook.metric('samebytes_events_total{result="written"}')).toBe(4);
});

test('what the API server says when it refuses an event is a status in the log, said once', async () => {
  answerEvent = (response) => answer(response, 403, { message: 'planted-secret' });
  for (const revision of ['rs-1', 'rs-2', 'rs-3']) {
    await webhook.review(admissionReview(created('missing', revision)));
  }
  await until(
    'the failures',
    async () => (await webhook.metric('samebytes_events_total{result="failed"}')) >= 3,
  );
  const lines = webhook.logged.filter((line) => line.includes('cannot write an event'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('the API server answered with status 403');
  expect(lines[0]).not.toContain('planted-secret');
});

test('dry runs and audits tell nobody', async () => {
  await webhook.review(admissionReview(created('missing'), { dryRun: true }));
  await webhook.review(admissionReview(created('missing')), '/mutate/audit');
  // Events are written in order: this one comes after those that must not be.
  await webhook.review(admissionReview(created('later')));
  await until('the event', () => sent.length === 2);
  expect(JSON.stringify(sent)).not.toContain('shop/web:missing');
});

test('a dry run, an audit and a refusal do not tell of an old revision that serves again; a Pod that gets its digest does', async () => {
  const inCluster = await WebhookUnderTest.start({ pins: { store: 'kubernetes' } }, { cluster: api.cluster });
  try {
    const image = inCluster.image('1.0');
    pins = [pinOf('web-a', image, 1), pinOf('web-b', image, 2)];
    const old = (...images: readonly string[]): object => podOf('web-a', [image, ...images]);
    await inCluster.review(admissionReview(old(), { dryRun: true }));
    await inCluster.review(admissionReview(old()), '/mutate/audit');
    const refused = await inCluster.review(admissionReview(old(inCluster.image('missing'))));
    expect(refused.allowed).toBe(false);
    await until('the refusal', () => sent.length === 2);
    const lists = (): number => api.asked.filter((line) => line.endsWith('imagepins?limit=200')).length;
    expect(lists()).toBe(0);

    await inCluster.admit(old());
    await until('the old revision', () => sent.length === 4);
    expect(lists()).toBe(1);
    expect(sent[2]).toMatchObject({ reason: 'TagMoved', type: 'Warning' });
  } finally {
    await inCluster.stop();
  }
});

/** The pin of a ReplicaSet that heard at this hour what the image means. */
function pinOf(name: string, reference: string, hour: number): { readonly metadata?: unknown } {
  const revision = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: 'rs-1', namespace: 'shop' };
  const resolvedAt = `2026-05-01T0${hour}:00:00.000Z`;
  const means = digest(name.slice(-1));
  const pin = pinObject(revision, [{ reference, digest: means, resolvedAt, source: 'resolved' }]);
  return {
    ...pin,
    metadata: { ...(pin['metadata'] as object), uid: `pin-of-${name}`, resourceVersion: '1' },
  };
}

function podOf(replicaSet: string, images: readonly string[]): object {
  const owner = ownedBy('ReplicaSet', 'rs-1', 'apps/v1', replicaSet);
  const containers = images.map((image, index) => ({ name: `c${index}`, image }));
  return pod({ metadata: { ownerReferences: [owner] }, spec: { containers } });
}
