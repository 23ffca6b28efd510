import { beforeEach, expect, test } from '@jest/globals';
import type { V1ObjectMeta } from '@kubernetes/client-node';
import { Workloads } from '../../../src/kubernetes/workloads.ts';
import { fail } from '../../support/played-objects-api.ts';
import { noDeadline } from '../../support/signals.ts';

const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd' };
const REPLICA_SET = { kind: 'ReplicaSet', name: 'web-5d8f', uid: 'rs' };
let asked: string[];
let answer: () => V1ObjectMeta;
let workloads: Workloads;

beforeEach(() => {
  asked = [];
  const read = (kind: string) => async (request: { namespace: string; name: string }) => {
    asked.push(`${kind} ${request.namespace}/${request.name}`);
    return { metadata: answer() } as never;
  };
  workloads = new Workloads({
    readNamespacedReplicaSet: read('ReplicaSet'),
    readNamespacedControllerRevision: read('ControllerRevision'),
  });
});

const above = (owner = REPLICA_SET): ReturnType<Workloads['above']> =>
  workloads.above('shop', owner, noDeadline());

test('the controller of a revision is asked for once', async () => {
  const other = { ...DEPLOYMENT, uid: 'x', controller: false };
  answer = () => ({ uid: 'rs', ownerReferences: [other, { ...DEPLOYMENT, controller: true }] });
  expect(await above()).toEqual(DEPLOYMENT);
  expect(await above()).toEqual(DEPLOYMENT);
  expect(await above({ ...REPLICA_SET, kind: 'ControllerRevision' })).toEqual(DEPLOYMENT);
  expect(asked).toEqual(['ReplicaSet shop/web-5d8f', 'ControllerRevision shop/web-5d8f']);
});

test('a revision that nobody controls is asked about once, too', async () => {
  answer = () => ({ uid: 'rs' });
  expect([await above(), await above()]).toEqual([undefined, undefined]);
  expect(asked).toHaveLength(1);
});

test('what a Pod’s author made up has no controller: another uid, a name that is not there', async () => {
  answer = () => ({ uid: 'another', ownerReferences: [{ ...DEPLOYMENT, controller: true }] });
  expect(await above()).toBeUndefined();
  answer = () => fail(404);
  expect(await above({ ...REPLICA_SET, name: 'made-up' })).toBeUndefined();
});

test.each(['Job', 'StatefulSet', 'Database'])('a %s is asked about never', async (kind) => {
  expect(await above({ ...REPLICA_SET, kind })).toBeUndefined();
  expect(asked).toEqual([]);
});

test('an API server that gives no answer is an error without its words, and is asked again', async () => {
  answer = () => fail(403);
  await expect(above()).rejects.toThrow(
    expect.objectContaining({
      message: 'cannot read a ReplicaSet',
      cause: new Error('the API server answered with status 403'),
    }),
  );
  answer = () => ({ uid: 'rs', ownerReferences: [{ ...DEPLOYMENT, controller: true }] });
  expect(await above()).toEqual(DEPLOYMENT);
});
