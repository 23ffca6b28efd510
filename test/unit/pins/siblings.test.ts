import { describe, expect, test } from '@jest/globals';
import { ownerOf } from '../../../src/pins/revision.ts';
import { siblingQuery } from '../../../src/pins/siblings.ts';
import { ownedBy } from '../../support/pods.ts';

function selectorsFor(
  kind: string,
  labels: Record<string, unknown>,
  apiVersion = 'apps/v1',
): readonly string[] | undefined {
  const metadata = { labels, ownerReferences: [ownedBy(kind, 'uid-1', apiVersion, 'web-abc')] };
  return siblingQuery(ownerOf(metadata, 'shop'), labels)?.selectors;
}

describe('the Pods of a revision are found', () => {
  test.each([
    ['ReplicaSet', 'apps/v1', { app: 'web', 'pod-template-hash': 'abc' }, ['pod-template-hash=abc']],
    [
      'StatefulSet',
      'apps/v1',
      { app: 'web', 'controller-revision-hash': 'web-abc' },
      ['controller-revision-hash=web-abc'],
    ],
    ['DaemonSet', 'apps/v1', { 'controller-revision-hash': 'abc' }, ['controller-revision-hash=abc']],
    [
      'Job',
      'batch/v1',
      { 'batch.kubernetes.io/controller-uid': 'uid-1', 'controller-uid': 'uid-1' },
      ['batch.kubernetes.io/controller-uid=uid-1'],
    ],
    ['Job', 'batch/v1', { 'controller-uid': 'uid-1' }, ['controller-uid=uid-1']],
  ])(
    'of a %s (%s) by the label that its controller gives them: %j',
    (kind, apiVersion, labels, selectors) => {
      expect(selectorsFor(kind, labels, apiVersion)).toEqual(selectors);
    },
  );

  test.each([
    ['ReplicaSet', 'apps/v1', { app: 'web', tier: 'front' }, ['app=web,tier=front', '']],
    ['ReplicaSet', 'apps/v1', { 'pod-template-hash': 'other' }, ['pod-template-hash=other', '']],
    ['ReplicaSet', 'apps/v1', { 'pod-template-hash': '' }, ['']],
    ['Job', 'batch/v1', { 'controller-uid': 'another' }, ['controller-uid=another', '']],
    ['ReplicationController', 'v1', {}, ['']],
  ])(
    'of a %s (%s) among all, too, where its labels prove nothing: %j',
    (kind, apiVersion, labels, selectors) => {
      expect(selectorsFor(kind, labels, apiVersion)).toEqual(selectors);
    },
  );

  test('never by a label that would change the question', () => {
    const labels = { app: 'web', 'a,b': 'c', d: 'e,f=g', h: 1, 'pod-template-hash': 'x in (y)' };
    expect(selectorsFor('ReplicaSet', labels)).toEqual(['app=web', '']);
  });

  test('by the uid of their owner', () => {
    const owner = ownerOf({ ownerReferences: [ownedBy('ReplicaSet', 'uid-1')] }, 'shop');
    expect(siblingQuery(owner, {})).toMatchObject({ namespace: 'shop', ownerUid: 'uid-1' });
  });
});

test.each([
  ['a bare Pod', []],
  ['a Pod of a custom resource', [ownedBy('Database', 'u', 'example.com/v1')]],
  ['a Pod of a Pod', [ownedBy('Pod', 'u', 'v1')]],
])('%s has none to be found', (_what, ownerReferences) => {
  expect(siblingQuery(ownerOf({ ownerReferences }, 'shop'), { app: 'web' })).toBeUndefined();
});
