import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { admissionReview, barePod, pod } from '../support/pods.ts';
import { refusePollution } from '../support/pollution.ts';
import { patched, WebhookUnderTest, type ReviewResponse } from '../support/running-webhook.ts';

// Pods that are Pods, but hold what trips programs up: they are pinned like any other, and nothing else in them changes.

let webhook: WebhookUnderTest;
let image: string;
let digest: string;

beforeAll(async () => {
  webhook = await WebhookUnderTest.start();
  digest = await webhook.registry.push('shop/web', '1.0', 'first');
  image = webhook.image('1.0');
});

afterAll(async () => {
  await webhook.stop();
});

/** Nothing that a body says may become a property of all objects. */
afterEach(refusePollution);

const PINNED = (): string => image.replace(':1.0', `@${digest}`);

/** Sends the review as this very text. */
async function reviewText(text: string): Promise<ReviewResponse> {
  const { status, text: answer } = await webhook.post('/mutate?timeout=5s', text);
  expect(status).toBe(200);
  return (JSON.parse(answer) as { response: ReviewResponse }).response;
}

/** The patch that the API server gets. */
function operationsOf({ patch }: ReviewResponse): { op: string; path: string; value?: unknown }[] {
  return JSON.parse(Buffer.from(patch ?? '', 'base64').toString('utf8')) as ReturnType<typeof operationsOf>;
}

const SCRIPT_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', ''];

test.each(SCRIPT_NAMES)('a container named %j is pinned and recorded by that name', async (name) => {
  const created = barePod({ name, image }, { name: 'web', image });
  const response = await webhook.review(admissionReview(created));
  const { metadata, spec } = patched(created, response);
  expect(spec.containers.map((container) => container.image)).toEqual([PINNED(), PINNED()]);
  const recorded = JSON.parse(metadata.annotations['samebytes.dev/images'] ?? '') as object;
  expect(Object.entries(recorded)).toContainEqual([name, { reference: image, digest }]);
});

test.each(SCRIPT_NAMES.slice(0, 6))(
  'the key %s in Pod, metadata, labels and annotations is a key like any other',
  async (key) => {
    const odd = `"${key}":{"polluted":true,"isAdmin":true},`;
    const oddText = `"${key}":"polluted",`;
    const text = JSON.stringify(admissionReview(barePod({ name: 'web', image })))
      .replace('"object":{', `"object":{${odd}`)
      .replace('"request":{', `"request":{${odd}`)
      .replace(
        '"metadata":{',
        `"metadata":{${odd}"annotations":{${oddText}"a":"b"},"labels":{${oddText}"c":"d"},`,
      )
      .replace('"spec":{', `"spec":{${odd}`)
      .replace('"containers":[{', `"containers":[{${odd}`);
    const response = await reviewText(text);
    expect(response.allowed).toBe(true);
    expect(operationsOf(response)).toContainEqual({
      op: 'replace',
      path: '/spec/containers/0/image',
      value: PINNED(),
    });
  },
);

test('a key __proto__ cannot stand for a field that is missing', async () => {
  const text = JSON.stringify(admissionReview({ spec: {} })).replace(
    '"spec":{}',
    `"spec":{"__proto__":{"containers":[{"name":"web","image":"${image}"}]}}`,
  );
  const response = await reviewText(text);
  expect(response).toMatchObject({ allowed: true, auditAnnotations: { outcome: 'nothing_to_pin' } });
});

test('names of JavaScript in the annotation samebytes.dev/images are names, whoever wrote it', async () => {
  const text = `{"__proto__":{"reference":"${image}","digest":"${digest}"},"constructor":7,"web":{"reference":[],"digest":{}}}`;
  const before = pod({
    metadata: { name: 'bare', ownerReferences: [], annotations: { 'samebytes.dev/images': text } },
    spec: {
      containers: [
        { name: '__proto__', image: PINNED() },
        { name: 'web', image: PINNED() },
      ],
    },
  });
  const after = structuredClone(before) as ReturnType<typeof barePod> & {
    spec: { containers: { image: string }[] };
  };
  for (const container of after.spec.containers) container.image = image;
  const asked = webhook.registry.manifestRequests.length;
  const response = await webhook.review(admissionReview(after, { operation: 'UPDATE', oldObject: before }));
  expect(patched(after, response).spec.containers.map((container) => container.image)).toEqual([
    PINNED(),
    PINNED(),
  ]);
  // The first gets its own digest back, the second has no record that can be read.
  expect(webhook.registry.manifestRequests).toHaveLength(asked + 1);
});

test.each([
  '{',
  '[]',
  'null',
  '7',
  '"x"',
  '['.repeat(100_000),
  `{"web":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
])('an annotation samebytes.dev/images of %.20j is passed over and written anew', async (text) => {
  const created = pod({
    metadata: { name: 'bare', ownerReferences: [], annotations: { 'samebytes.dev/images': text } },
    spec: { containers: [{ name: 'web', image }] },
  });
  const admitted = patched(created, await webhook.review(admissionReview(created)));
  expect(JSON.parse(admitted.metadata.annotations['samebytes.dev/images'] ?? '')).toEqual({
    web: { reference: image, digest },
  });
});

// The API server decodes a Pod into its own type and encodes that anew for us, so none with a key twice, or with a key in
// other letters (`Image`), ever comes from there. From elsewhere, the last one counts, as it does in Go, and only the exact
// key (sigs.k8s.io/json): what we answer is about the image that the API server would see.
test('of a key that is there twice the last one counts, and other letters are another key', async () => {
  const review = JSON.stringify(admissionReview(barePod({ name: 'web', image })));
  const twice = review.replace(`"image":"${image}"`, `"image":"evil.invalid/x:1","image":"${image}"`);
  const otherLetters = review.replace(`"image":"${image}"`, `"image":"${image}","Image":"evil.invalid/x:1"`);
  for (const text of [twice, otherLetters]) {
    const images = operationsOf(await reviewText(text)).filter(({ path }) => path.endsWith('/image'));
    expect(images).toEqual([{ op: 'replace', path: '/spec/containers/0/image', value: PINNED() }]);
  }
  const hidden = review.replace('"containers":[', '"containers":[],"Containers":[');
  expect(await reviewText(hidden)).toMatchObject({ auditAnnotations: { outcome: 'nothing_to_pin' } });
});

test('a field nested 100,000 deep that nobody knows does no harm', async () => {
  for (const deep of [
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    `${'{"a":'.repeat(100_000)}0${'}'.repeat(100_000)}`,
  ]) {
    const text = JSON.stringify(admissionReview(barePod({ name: 'web', image }))).replace(
      '"spec":{',
      `"spec":{"futureField":${deep},`,
    );
    expect(operationsOf(await reviewText(text))).toContainEqual(
      expect.objectContaining({ path: '/spec/containers/0/image', value: PINNED() }),
    );
  }
});

test('everything in a Pod survives but its images and our annotations, also what nobody knows yet', async () => {
  const future = { deep: [{ a: null, b: 1e21, c: -0.5, d: '\u2028é\ud83d\ude00', 'e/~0': [] }], '': {} };
  const created = {
    ...pod({
      metadata: {
        name: 'bare',
        ownerReferences: [],
        annotations: { 'a/b~c': '{"image":"x"}', empty: '' },
        labels: { x: 'y' },
        future,
      },
      spec: {
        containers: [{ name: 'web', image, args: ['', image], resources: { limits: { cpu: '1' } }, future }],
        initContainers: [{ name: 'init', image, restartPolicy: 'Always', future }],
        volumes: [
          { name: 'v', image: { reference: image, future } },
          { name: 'w', emptyDir: {} },
        ],
        future,
      },
    }),
    status: { future },
    future,
  };
  const response = await webhook.review(admissionReview(created));
  const paths = operationsOf(response).map(({ op, path }) => `${op} ${path}`);
  expect(paths.toSorted()).toEqual([
    'add /metadata/annotations/samebytes.dev~1images',
    'replace /spec/containers/0/image',
    'replace /spec/initContainers/0/image',
    'replace /spec/volumes/0/image/reference',
  ]);
  const admitted = JSON.stringify(patched(created, response));
  const undone = JSON.parse(admitted.replaceAll(PINNED(), image)) as {
    metadata: { annotations: Record<string, string> };
  };
  delete undone.metadata.annotations['samebytes.dev/images'];
  expect(undone).toEqual(JSON.parse(JSON.stringify(created)));
});
