import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { admissionReview, pod } from '../support/pods.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';

// What strangers send. Each gets a clear 4xx or a denial, never a 5xx, and the webhook goes on.

let webhook: WebhookUnderTest;
let image: string;

beforeAll(async () => {
  webhook = await WebhookUnderTest.start();
  await webhook.registry.push('shop/web', '1.0', 'first');
  image = webhook.image('1.0');
});

afterAll(async () => {
  await webhook.stop();
});

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

const good = (): object => pod({ spec: { containers: [{ name: 'web', image }] } });

test.each([
  ['nothing', '', 400],
  ['no JSON', '{"kind":', 400],
  ['JSON with something behind it', `${JSON.stringify(admissionReview({}))}{}`, 400],
  ['no JSON but JavaScript', "{kind: 'AdmissionReview'}", 400],
  ['no text but NUL', '\0', 400],
  ['a text', '"AdmissionReview"', 400],
  ['a list', '[]', 400],
  ['null', 'null', 400],
  ['another kind', JSON.stringify({ ...admissionReview({}), kind: 'Pod' }), 400],
  [
    'another version',
    JSON.stringify({ ...admissionReview({}), apiVersion: 'admission.k8s.io/v1beta1' }),
    400,
  ],
  ['no request', JSON.stringify({ ...admissionReview({}), request: undefined }), 400],
  ['no uid', JSON.stringify(admissionReview({}, { uid: undefined })), 400],
  ['a uid that is a number', JSON.stringify(admissionReview({}, { uid: 7 })), 400],
  ['an unknown operation', JSON.stringify(admissionReview({}, { operation: 'create' })), 400],
  ['an object that is a list', JSON.stringify(admissionReview([])), 400],
  ['a request that is a list', JSON.stringify({ ...admissionReview({}), request: [] }), 400],
  ['an old object that is a text', JSON.stringify(admissionReview({}, { oldObject: 'Pod' })), 400],
  ['100,000 brackets', '['.repeat(100_000), 400],
  ['100,000 lists in each other', nested(100_000), 400],
  ['100,000 objects in each other', '{"kind":'.repeat(100_000) + '1' + '}'.repeat(100_000), 400],
  ['half a million values', `{"kind":[${'0,'.repeat(500_000)}0]}`, 413],
])('a body that is %s is answered with status 4xx that says why', async (_what, body, status) => {
  const answer = await webhook.post('/mutate', body);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.text)).toEqual({ error: expect.stringMatching(/^.{5,200}$/) });
});

test.each([
  ['no object', null],
  ['a Pod without a spec', { metadata: {} }],
  ['containers that are no list', pod({ spec: { containers: {} } })],
  ['a container that is no object', pod({ spec: { containers: ['web'] } })],
  ['a container that is null', pod({ spec: { containers: [null] } })],
  ['a container that is a list', pod({ spec: { containers: [[]] } })],
  ['containers nested 100,000 deep', pod({ spec: { containers: JSON.parse(nested(100_000)) as unknown } })],
  ['an image that is a number', pod({ spec: { containers: [{ name: 'web', image: 7 }] } })],
  ['an image that is a list', pod({ spec: { containers: [{ name: 'web', image: ['nginx'] }] } })],
  ['an image that is an object', pod({ spec: { containers: [{ name: 'web', image: { toString: 'x' } }] } })],
  ['a name that is a number', pod({ spec: { containers: [{ name: 7, image: 'nginx' }] } })],
  ['an image of an init container that is true', pod({ spec: { initContainers: [{ image: true }] } })],
  ['an image volume that is a text', pod({ spec: { volumes: [{ name: 'v', image: 'nginx' }] } })],
  ['a volume reference that is 7', pod({ spec: { volumes: [{ name: 'v', image: { reference: 7 } }] } })],
  ['a spec that is a list', { metadata: {}, spec: [] }],
  ['20,001 containers', pod({ spec: { containers: Array.from({ length: 20_001 }, () => ({})) } })],
])('%s is denied, since it is no Pod', async (_what, object) => {
  const { allowed, status } = await webhook.review(admissionReview(object));
  expect(allowed).toBe(false);
  expect(status).toMatchObject({ code: 403, message: expect.stringContaining('not a Pod') });
});

test('an update whose old object is no Pod is denied', async () => {
  const { allowed, status } = await webhook.review(
    admissionReview(good(), { operation: 'UPDATE', oldObject: { spec: { containers: 'web' } } }),
  );
  expect(allowed).toBe(false);
  expect(status).toMatchObject({ code: 403, message: expect.stringContaining('not a Pod') });
});

test('a body over 8 MiB is refused with 413, one below is answered', async () => {
  const large = admissionReview({ ...good(), padding: 'x'.repeat(8 * 1024 * 1024) });
  expect((await webhook.post('/mutate', JSON.stringify(large))).status).toBe(413);
  const below = admissionReview({ ...good(), padding: 'x'.repeat(7 * 1024 * 1024) });
  expect((await webhook.post('/mutate', JSON.stringify(below))).status).toBe(200);
});

test('other content types and compressed bodies are refused with 415', async () => {
  const body = JSON.stringify(admissionReview(good()));
  expect((await webhook.post('/mutate', body, { 'content-type': 'text/plain' })).status).toBe(415);
  for (const type of [
    '',
    'application/json5',
    'application/yaml',
    'application/json; charset=utf-16',
    'json',
  ])
    expect((await webhook.post('/mutate', body, { 'content-type': type })).status).toBe(415);
  for (const encoding of ['gzip', 'br', 'x'])
    expect((await webhook.post('/mutate', body, { 'content-encoding': encoding })).status).toBe(415);
  expect(
    (await webhook.post('/mutate', body, { 'content-type': 'application/json; charset=utf-8' })).status,
  ).toBe(200);
});

test('other paths and methods are refused with 404 and 405, without a page', async () => {
  const answer = await webhook.post('/mutate/other', '{}');
  expect(answer.status).toBe(404);
  expect(answer.headers['content-type']).toContain('application/json');
  expect((await webhook.post('/Mutate', '{}')).status).toBe(404);
});

test('a Pod with 1,000 containers is pinned in one answer, with one question to the registry', async () => {
  const containers = Array.from({ length: 1_000 }, (_, index) => ({ name: `c-${index}`, image }));
  const asked = webhook.registry.manifestRequests.length;
  const images = await webhook.admit(pod({ metadata: { ownerReferences: [] }, spec: { containers } }));
  expect(new Set(images).size).toBe(1);
  expect(images[999]).toContain('@sha256:');
  expect(webhook.registry.manifestRequests.length - asked).toBe(1);
});

test('a client that goes away in the middle of its body costs nothing but a count', async () => {
  const before = await webhook.metric('samebytes_admissions_total{outcome="invalid_review"}');
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: webhook.port,
    ca: webhook.ca,
    servername: 'localhost',
  });
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
  const head =
    'POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n';
  // Asking to continue makes the server tell that it has begun to read the body.
  socket.write(`${head}expect: 100-continue\r\n\r\n{`);
  await new Promise<void>((resolve) => socket.once('data', () => resolve()));
  socket.destroy();
  while ((await webhook.metric('samebytes_admissions_total{outcome="invalid_review"}')) === before) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await webhook.admit(good())).toHaveLength(1);
});

test('bytes that are no HTTP are answered with 400 or a closed connection, and the webhook goes on', async () => {
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: webhook.port,
    ca: webhook.ca,
    servername: 'localhost',
  });
  socket.write('\0\0\0 nonsense\r\n\r\n');
  await new Promise<void>((resolve) => socket.once('close', resolve).resume());
  expect(await webhook.admit(good())).toHaveLength(1);
});
