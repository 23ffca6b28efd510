import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
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

beforeEach(async () => {
  sent = [];
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
    } else answer(response, 200, { items: [], metadata: {} });
  });
  webhook = await WebhookUnderTest.start({}, { cluster: api.cluster });
});

afterEach(async () => {
  await webhook.stop();
  await api.stop();
});

const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'deployment-1' };

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
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  await webhook.admit(created('1.0'));
  await webhook.admit(created('1.0'));
  await until('the birth', () => sent.length === 4);
  expect(sent.slice(2)).toMatchObject([
    { reason: 'ImagePinned', type: 'Normal', involvedObject: { kind: 'ReplicaSet' }, count: 1 },
    { reason: 'ImagePinned', type: 'Normal', involvedObject: { kind: 'Deployment' }, count: 1 },
  ]);
  expect(sent[3]?.['message']).toBe(`for all Pods of web: ${webhook.image('1.0')} is ${digest}`);
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
