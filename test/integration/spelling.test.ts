import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { admissionReview, barePod, pod } from '../support/pods.ts';
import { patched, imagesOf, WebhookUnderTest } from '../support/running-webhook.ts';

// One registry, whose host is spelled in several ways: the wire, the caches, the pins and the guard of addresses know one
// of them, the Pod keeps its author's.

let webhook: WebhookUnderTest;
let port: string;
let digest: string;

beforeAll(async () => {
  webhook = await WebhookUnderTest.start();
  port = webhook.registry.host.split(':')[1] ?? '';
  digest = await webhook.registry.push('shop/web', '1.0', 'first');
});

afterAll(async () => {
  await webhook.stop();
});

test('three spellings of one host are one question, one pin and one digest, each in its own spelling', async () => {
  const spellings = [`localhost:${port}`, `LOCALHOST:${port}`, `LocalHost:${port}`];
  const containers = spellings.map((host, index) => ({ name: `c${index}`, image: `${host}/shop/web:1.0` }));
  const created = pod({ spec: { containers } });
  const asked = webhook.registry.manifestRequests.length;
  const admitted = patched(created, await webhook.review(admissionReview(created)));

  expect(imagesOf(admitted)).toEqual(spellings.map((host) => `${host}/shop/web@${digest}`));
  expect(JSON.parse(admitted.metadata.annotations['samebytes.dev/images'] ?? '')).toMatchObject({
    c2: { reference: `LocalHost:${port}/shop/web:1.0` },
  });
  const requests = webhook.registry.manifestRequests.slice(asked);
  expect(requests.map(({ headers }) => headers.host)).toEqual([`localhost:${port}`]);
});

test('a second Pod in another spelling gets the pin of the first and asks nobody', async () => {
  const write = async (host: string) =>
    webhook.admit(pod({ spec: { containers: [{ name: 'web', image: `${host}/shop/web:1.0` }] } }));
  await write(`localhost:${port}`);
  const moved = await webhook.registry.push('shop/web', '1.0', 'second');
  const asked = webhook.registry.manifestRequests.length;
  expect(moved).not.toBe(digest);
  expect(await write(`lOCALHOST:${port}`)).toEqual([`lOCALHOST:${port}/shop/web@${digest}`]);
  expect(webhook.registry.manifestRequests).toHaveLength(asked);
});

test.each(['LOCALHOST:1', '[::FFFF:7F00:1]:1', '[0:0:0:0:0:0:0:1]:1', '0X7F.1:1'])(
  'the guard of addresses closes loopback, spelled %s, to hosts that are not listed',
  async (host) => {
    const created = barePod({ name: 'web', image: `${host}/shop/web:1.0` });
    const { allowed, status } = await webhook.review(admissionReview(created));
    expect(allowed).toBe(false);
    expect(status?.message).toContain('private or closed address');
  },
);

test('a host with an underscore is asked, as containerd asks it', async () => {
  const created = barePod({ name: 'web', image: 'no_such_host.invalid/app:1' });
  const { allowed, status } = await webhook.review(admissionReview(created));
  expect(allowed).toBe(false);
  expect(status?.message).toContain('"no_such_host.invalid/app:1": the registry is unreachable');
});
