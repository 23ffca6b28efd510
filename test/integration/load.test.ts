import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { MemoryPinStore } from '../../src/pins/memory-pin-store.ts';
import { ownedBy, pod } from '../support/pods.ts';
import { until } from '../support/until.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';

// Many at once: what is counted is what registries see, never how long it takes.

jest.setTimeout(120_000);

/** A busy machine may be slow; nothing here is about time. */
const PATIENT = '/mutate/enabled?timeout=30s';
let webhook: WebhookUnderTest;

beforeEach(async () => {
  webhook = await WebhookUnderTest.start({
    webhook: { maxDecisionMs: 20_000 },
    resolver: { registryDeadlineMs: 3_000 },
  });
});

afterEach(async () => webhook.stop());

function replica(revision: string, containers = 1): object {
  return pod({
    metadata: { ownerReferences: [ownedBy('ReplicaSet', revision)] },
    spec: {
      containers: Array.from({ length: containers }, (_, index) => ({
        name: `c${index}`,
        image: webhook.image('1.0', `shop/app-${index}`),
      })),
    },
  });
}

test('500 births of one tag, 50 at once, cost at most two requests in a row for each 50', async () => {
  await webhook.registry.push('shop/app-0', '1.0', 'first');
  let arrived = 0;
  let underWay = 0;
  let mostUnderWay = 0;
  webhook.registry.intercept = async () => {
    underWay += 1;
    mostUnderWay = Math.max(mostUnderWay, underWay);
    // Only when all of the 50 wait is it certain who may share an answer.
    const births = 'samebytes_cache_requests_total{cache="pin",result="miss"}';
    await until('all to arrive', async () => (await webhook.metric(births)) >= arrived);
    underWay -= 1;
  };
  for (let wave = 0; wave < 10; wave += 1) {
    const before = webhook.registry.manifestRequests.length;
    arrived += 50;
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => webhook.admit(replica(`rs-${wave}-${index}`), PATIENT)),
    );
    expect(webhook.registry.manifestRequests.length - before).toBeLessThanOrEqual(2);
  }
  expect(mostUnderWay).toBe(1);
  expect(await webhook.metric('samebytes_pins_created_total')).toBe(500);
});

test('a burst of 200 replicas of a new revision asks the registry once per image', async () => {
  for (const index of [0, 1, 2]) await webhook.registry.push(`shop/app-${index}`, '1.0', `content ${index}`);
  const admitted = await Promise.all(
    Array.from({ length: 200 }, () => webhook.admit(replica('rs-1', 3), PATIENT)),
  );
  expect(new Set(admitted.map((images) => images.join()))).toHaveProperty('size', 1);
  expect(webhook.registry.manifestRequests).toHaveLength(3);
});

test('100 containers of a new revision are 100 requests at most, and none for the next Pod', async () => {
  for (let index = 0; index < 100; index += 1)
    await webhook.registry.push(`shop/app-${index}`, '1.0', `${index}`);
  const first = await webhook.admit(replica('rs-1', 100), PATIENT);
  expect(webhook.registry.manifestRequests).toHaveLength(100);
  expect(await webhook.admit(replica('rs-1', 100), PATIENT)).toEqual(first);
  expect(webhook.registry.manifestRequests).toHaveLength(100);
});

test('memory of pins keeps as many revisions as it may, and says what it forgot', async () => {
  const forgotten: string[] = [];
  const store = new MemoryPinStore({
    maxRevisions: 1_000,
    onCreated: () => {},
    onAdded: () => {},
    onForgotten: ({ revision }) => forgotten.push(revision.uid),
  });
  for (let index = 0; index < 1_500; index += 1) {
    const revision = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web',
      uid: `rs-${index}`,
      namespace: 'shop',
    };
    await store.record(revision, []);
  }
  expect(forgotten).toEqual(Array.from({ length: 500 }, (_, index) => `rs-${index}`));
});
