import { beforeEach, expect, test } from '@jest/globals';
import { Events, type OwnerEvent } from '../../../src/kubernetes/events.ts';
import { FakeClock } from '../../support/clock.ts';
import { fail } from '../../support/played-objects-api.ts';
import { settle } from '../../support/settle.ts';

const EVENT: OwnerEvent = {
  namespace: 'shop',
  owner: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u' },
  reason: 'RevisionSplit',
  message: 'split',
};
let clock: FakeClock;
let sent: unknown[];
let failures: unknown[];

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
  failures = [];
});

function events(create: (request: unknown) => Promise<never>): Events {
  const api = { createNamespacedEvent: create };
  return new Events({ api, onError: (error) => void failures.push(error), now: clock.now });
}

const accepting = async (request: unknown): Promise<never> => sent.push(request) as never;

test('is written about the owner', async () => {
  events(accepting).warn(EVENT);
  await settle();
  expect(sent).toEqual([
    {
      namespace: 'shop',
      body: expect.objectContaining({
        involvedObject: { ...EVENT.owner, namespace: 'shop' },
        reason: 'RevisionSplit',
        message: 'split',
        type: 'Warning',
      }),
    },
  ]);
});

test('is said once in ten minutes, whatever happens in between', async () => {
  const by = events(accepting);
  for (let time = 0; time < 100; time += 1) by.warn(EVENT);
  by.warn({ ...EVENT, message: 'another' });
  by.warn({ ...EVENT, owner: { ...EVENT.owner, uid: 'v' } });
  await settle();
  expect(sent).toHaveLength(3);
  clock.advance(10 * 60_000 + 1);
  by.warn(EVENT);
  await settle();
  expect(sent).toHaveLength(4);
});

test('is dropped where too many are under way', async () => {
  const by = events((request) => {
    sent.push(request);
    return new Promise(() => {});
  });
  for (let index = 0; index < 1_000; index += 1) by.warn({ ...EVENT, message: `${index}` });
  await settle();
  expect(sent.length).toBeLessThanOrEqual(20);
});

test('that cannot be written is told, and nothing else happens', async () => {
  events(async () => {
    throw new Error('forbidden');
  }).warn(EVENT);
  await settle();
  expect(failures).toEqual([new Error('forbidden')]);
});

test('that the API server refuses is told without the answer’s body and headers', async () => {
  events(async () => fail(403)).warn(EVENT);
  await settle();
  expect(failures).toEqual([new Error('the API server answered with status 403')]);
});

test('is not longer than Kubernetes takes', async () => {
  events(accepting).warn({ ...EVENT, message: 'x'.repeat(5_000) });
  await settle();
  expect((sent[0] as { body: { message: string } }).body.message.length).toBeLessThanOrEqual(1_024);
});
