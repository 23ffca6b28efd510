import type { CoreV1Event } from '@kubernetes/client-node';
import { expect, test } from '@jest/globals';
import { ClusterPodLives } from '../../../src/kubernetes/pod-lives.ts';
import { errorFields } from '../../../src/telemetry/log.ts';
import { fail } from '../../support/played-objects-api.ts';
import { noDeadline } from '../../support/signals.ts';

const POD = {
  namespace: 'shop',
  name: 'db-0',
  owner: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'u' },
  revision: undefined,
};

/** The lives that these events tell of, each given as `uid reason`. */
async function livesBy(...events: string[]): Promise<{ lives: number; asked: unknown }> {
  let asked: unknown;
  const items = events.map((text) => {
    const [uid, reason] = text.split(' ');
    return { reason, involvedObject: { uid } } as CoreV1Event;
  });
  const lives = new ClusterPodLives({
    listNamespacedEvent: async (request) => {
      asked = request;
      return { items };
    },
  });
  return { lives: await lives.count(POD, noDeadline()), asked };
}

test('a Pod that was scheduled and started is one life, however many containers it has', async () => {
  expect(await livesBy('a Scheduled', 'a Pulled', 'a Started', 'a Started', 'b Started')).toEqual({
    lives: 2,
    asked: {
      namespace: 'shop',
      fieldSelector: 'involvedObject.kind=Pod,involvedObject.name=db-0',
      limit: 500,
    },
  });
});

test.each([
  ['its node refused it', 'OutOfcpu'],
  ['it waits for its node', 'FailedScheduling'],
  ['its image cannot be pulled', 'Failed'],
])('a Pod never lived where %s', async (_why, reason) => {
  expect((await livesBy('a Scheduled', `a ${reason}`)).lives).toBe(0);
});

test.each(['Evicted', 'TaintManagerEviction', 'Preempted', 'Preempting'])(
  'a life that Kubernetes itself ended (%s) does not count: no controller compared anything',
  async (reason) => {
    expect((await livesBy('a Started', `a ${reason}`, 'b Started')).lives).toBe(1);
  },
);

test('what cannot be asked is an error without the answer’s body and headers', async () => {
  const lives = new ClusterPodLives({ listNamespacedEvent: async () => fail(403) });
  const error: unknown = await lives.count(POD, noDeadline()).catch((reason: unknown) => reason);
  expect(JSON.stringify(errorFields(error))).toContain('status 403');
  expect(JSON.stringify(errorFields(error))).not.toContain('secret');
});
