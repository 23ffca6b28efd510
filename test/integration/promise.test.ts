import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ownedBy, pod, admissionReview } from '../support/pods.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';

// What the product promises, over real TLS, with a registry over real HTTP.

let webhook: WebhookUnderTest;

beforeEach(async () => {
  webhook = await WebhookUnderTest.start();
});

afterEach(async () => {
  await webhook.stop();
});

function replica(image: string, revision: string): object {
  return pod({
    metadata: { ownerReferences: [ownedBy('ReplicaSet', revision)] },
    spec: { containers: [{ name: 'web', image }] },
  });
}

test('a Pod gets the digest that its tag means', async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const image = webhook.image('1.0');
  expect(await webhook.admit(replica(image, 'rs-1'))).toEqual([
    `${webhook.registry.host}/shop/web@${digest}`,
  ]);
});

test('replicas that come after the tag has moved get the digest of the first, and no registry is asked', async () => {
  await webhook.registry.push('shop/web', '1.0', 'first');
  const pods = replica(webhook.image('1.0'), 'rs-1');
  const first = await webhook.admit(pods);
  await webhook.registry.push('shop/web', '1.0', 'second');
  const asked = webhook.registry.manifestRequests.length;
  for (let count = 0; count < 20; count += 1) expect(await webhook.admit(pods)).toEqual(first);
  expect(webhook.registry.manifestRequests).toHaveLength(asked);
});

test('replicas and rollbacks are admitted with their first digest while the registry is gone', async () => {
  await webhook.registry.push('shop/web', '1.0', 'first');
  const image = webhook.image('1.0');
  const before = await webhook.admit(replica(image, 'rs-1'));
  await webhook.registry.push('shop/web', '1.0', 'second');
  const after = await webhook.admit(replica(image, 'rs-2'));
  expect(after).not.toEqual(before);
  await webhook.registry.stop();
  expect(await webhook.admit(replica(image, 'rs-2'))).toEqual(after);
  expect(await webhook.admit(replica(image, 'rs-1'))).toEqual(before);
});

test('a new revision is refused while the registry is gone, in words that help, and admitted once it is back', async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const created = replica(webhook.image('1.0'), 'rs-1');
  await webhook.registry.stop();
  const { allowed, status } = await webhook.review(admissionReview(created));
  expect(allowed).toBe(false);
  expect(status?.code).toBe(503);
  expect(status?.message).toContain(`"${webhook.image('1.0')}": the registry is unreachable`);
  expect(status?.message).toContain('kubectl rollout restart');
  expect(status?.message).not.toContain('ECONNREFUSED');
  expect(status?.retryAfterSeconds).toBeUndefined();

  await webhook.registry.start();
  expect(await webhook.admit(created)).toEqual([`${webhook.registry.host}/shop/web@${digest}`]);
});

test('freshness: an answer that was asked for before the tag moved does not pin a revision that came after', async () => {
  const old = await webhook.registry.push('shop/web', '1.0', 'first');
  const image = webhook.image('1.0');
  const held = holdNextRequest(webhook);
  const revisionA = webhook.admit(replica(image, 'rs-a'));
  await held.arrived;
  // The registry has looked the tag up already: its answer is fixed, and late.
  webhook.registry.intercept = undefined;
  const pushed = await webhook.registry.push('shop/web', '1.0', 'second');
  const revisionB = webhook.admit(replica(image, 'rs-b'));
  await waitFor(
    async () => (await webhook.metric('samebytes_cache_requests_total{cache="tag",result="miss"}')) === 2,
  );
  expect(webhook.registry.manifestRequests).toHaveLength(1);
  held.answerWith(old);

  expect(await revisionA).toEqual([`${webhook.registry.host}/shop/web@${old}`]);
  expect(await revisionB).toEqual([`${webhook.registry.host}/shop/web@${pushed}`]);
  expect(webhook.registry.manifestRequests).toHaveLength(2);
});

test('100 Pods of 10 new revisions that arrive during one registry request cost one more, shared by all', async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const held = holdNextRequest(webhook);
  const early = webhook.admit(replica(webhook.image('1.0'), 'rs-early'));
  await held.arrived;
  webhook.registry.intercept = undefined;
  const pods = Array.from({ length: 100 }, (_, index) => replica(webhook.image('1.0'), `rs-${index % 10}`));
  const admitted = Promise.all(pods.map((created) => webhook.admit(created)));
  await waitFor(async () => (await cacheRequests('pin', ['miss', 'coalesced'])) === 101);
  expect(await cacheRequests('tag', ['miss', 'coalesced'])).toBe(11);
  held.answerWith(digest);

  const images = [await early, ...(await admitted)];
  expect(new Set(images.flat())).toEqual(new Set([`${webhook.registry.host}/shop/web@${digest}`]));
  expect(webhook.registry.manifestRequests).toHaveLength(2);
  expect(await webhook.metric('samebytes_pins_created_total')).toBe(11);
});

test('while a tag moves all the time, no revision ever has two digests', async () => {
  const image = webhook.image('1.0');
  await webhook.registry.push('shop/web', '1.0', 'build 0');
  const enough = new AbortController();
  const mover = (async (): Promise<void> => {
    for (let build = 1; !enough.signal.aborted; build += 1)
      await webhook.registry.push('shop/web', '1.0', `build ${build}`);
  })();
  const digests = new Map<string, Set<string>>();
  for (let round = 0; round < 20; round += 1) {
    const created = Array.from({ length: 10 }, (_, index) => `rs-${(round + index) % 25}`);
    await Promise.all(
      created.map(async (revision) => {
        const [admitted = ''] = await webhook.admit(replica(image, revision));
        digests.set(revision, (digests.get(revision) ?? new Set()).add(admitted));
      }),
    );
  }
  enough.abort();
  await mover;
  expect([...digests.values()].map((images) => images.size)).toEqual(Array(25).fill(1));
  expect(new Set([...digests.values()].flatMap((images) => [...images])).size).toBeGreaterThan(1);
});

/** Holds the next manifest request at the registry until it is answered with a digest. */
function holdNextRequest(under: WebhookUnderTest): {
  arrived: Promise<void>;
  answerWith: (digest: string) => void;
} {
  const arrived = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  under.registry.intercept = async (_request, response) => {
    arrived.resolve();
    response.writeHead(200, {
      'content-type': 'application/vnd.oci.image.manifest.v1+json',
      'docker-content-digest': await answer.promise,
      'content-length': 300,
    });
    response.end();
  };
  return { arrived: arrived.promise, answerWith: answer.resolve };
}

async function cacheRequests(cache: string, results: readonly string[]): Promise<number> {
  const sample = (result: string): string =>
    `samebytes_cache_requests_total{cache="${cache}",result="${result}"}`;
  const counts = await Promise.all(results.map((result) => webhook.metric(sample(result))));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
