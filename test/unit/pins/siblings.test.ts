import { describe, expect, test } from '@jest/globals';
import { ownerOf } from '../../../src/pins/revision.ts';
import { siblingQuery } from '../../../src/pins/siblings.ts';
import { ownedBy } from '../../support/pods.ts';

function selectorFor(
  kind: string,
  labels: Record<string, unknown>,
  apiVersion = 'apps/v1',
): string | undefined {
  const metadata = { labels, ownerReferences: [ownedBy(kind, 'uid-1', apiVersion)] };
  return siblingQuery(ownerOf(metadata, 'shop'), labels)?.selector;
}

describe('the Pods of a revision are found', () => {
  test.each([
    ['ReplicaSet', 'apps/v1', { app: 'web', 'pod-template-hash': 'abc' }, 'pod-template-hash=abc'],
    [
      'StatefulSet',
      'apps/v1',
      { app: 'web', 'controller-revision-hash': 'web-abc' },
      'controller-revision-hash=web-abc',
    ],
    ['DaemonSet', 'apps/v1', { 'controller-revision-hash': 'abc' }, 'controller-revision-hash=abc'],
    [
      'Job',
      'batch/v1',
      { 'batch.kubernetes.io/controller-uid': 'u', 'controller-uid': 'u' },
      'batch.kubernetes.io/controller-uid=u',
    ],
    ['ReplicaSet', 'apps/v1', { app: 'web', tier: 'front' }, 'app=web,tier=front'],
    ['ReplicationController', 'v1', {}, ''],
  ])('of a %s (%s) by %j', (kind, apiVersion, labels, selector) => {
    expect(selectorFor(kind, labels, apiVersion)).toBe(selector);
  });

  test('never by a label that would change the question', () => {
    const labels = { app: 'web', 'a,b': 'c', d: 'e,f=g', h: 1, 'pod-template-hash': 'x in (y)' };
    expect(selectorFor('ReplicaSet', labels)).toBe('app=web');
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
