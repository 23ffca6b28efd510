import { expect, test } from '@jest/globals';
import { ownerKey, ownerOf, revisionKey } from '../../../src/pins/revision.ts';
import { RevisionFinder } from '../../../src/pins/revision-finder.ts';
import { PinStoreError } from '../../../src/pins/pin-store.ts';
import { ownedBy } from '../../support/pods.ts';
import { noDeadline } from '../../support/signals.ts';

const HASH = { 'controller-revision-hash': 'web-6d4f' };

test.each([
  ['ReplicaSet', 'apps/v1'],
  ['ReplicationController', 'v1'],
  ['Job', 'batch/v1'],
  ['Pod', 'v1'],
])('a Pod of a %s is a replica of that very object', (kind, apiVersion) => {
  const owner = ownerOf({ ownerReferences: [ownedBy(kind, 'uid-1', apiVersion)] }, 'shop');
  expect(owner).toEqual({
    type: 'revision',
    owner: { apiVersion, kind, name: 'web', uid: 'uid-1' },
    revision: { apiVersion, kind, name: 'web', uid: 'uid-1', namespace: 'shop' },
  });
});

test.each<[string, string, object | undefined]>([
  ['pod-template-hash', '5d8f', { kind: 'Deployment', name: 'web-shop' }],
  ['rollouts-pod-template-hash', '5d8f', { kind: 'Rollout', name: 'web-shop' }],
  ['pod-template-hash', 'other', undefined],
  ['pod-template-hash', '', undefined],
  ['app', '5d8f', undefined],
])('a ReplicaSet whose Pods have the label %s: %s tells what is above it', (label, hash, workload) => {
  const ownerReferences = [ownedBy('ReplicaSet', 'u', 'apps/v1', 'web-shop-5d8f')];
  const owner = ownerOf({ labels: { [label]: hash }, ownerReferences }, 'shop');
  expect(owner.type === 'revision' ? owner.revision.workload : owner).toEqual(workload);
});

test('a version of an owner’s group that somebody invented is not believed: nothing would ever end with it', () => {
  const made = ownerOf({ ownerReferences: [ownedBy('ReplicaSet', 'u', 'apps/v9')] }, 'shop');
  expect(made).toMatchObject({ revision: { apiVersion: 'apps/v1' }, owner: { apiVersion: 'apps/v9' } });
  const set = ownerOf({ labels: HASH, ownerReferences: [ownedBy('StatefulSet', 'u', 'apps/v9')] }, 'shop');
  expect(set).toMatchObject({ revision: { workload: { apiVersion: 'apps/v1' } } });
});

test.each([
  ['StatefulSet', 'web-6d4f', 'web-6d4f'],
  ['DaemonSet', '6d4f', 'web-6d4f'],
])('a Pod of a %s is a replica of the ControllerRevision that its label %s names', (kind, hash, name) => {
  const labels = { 'controller-revision-hash': hash };
  expect(ownerOf({ labels, ownerReferences: [ownedBy(kind, 'uid-1')] }, 'shop')).toMatchObject({
    type: 'controllerRevision',
    revision: { namespace: 'shop', name, hash, workload: { kind, uid: 'uid-1' } },
  });
});

test.each([
  ['no owner references', {}],
  ['null for owner references', { ownerReferences: null }],
  [
    'an owner that does not control it',
    { ownerReferences: [{ ...ownedBy('ReplicaSet', 'u'), controller: false }] },
  ],
  ['an owner without a uid', { ownerReferences: [{ ...ownedBy('ReplicaSet', 'u'), uid: '' }] }],
  ['owner references that are nonsense', { ownerReferences: [null, 7, 'ReplicaSet', { controller: true }] }],
  [
    'an owner whose uid is longer than any: it would be remembered',
    { ownerReferences: [ownedBy('ReplicaSet', 'u'.repeat(10_000))] },
  ],
  [
    'an owner of a kind that is longer than any',
    { ownerReferences: [ownedBy('K'.repeat(10_000), 'u', 'example.com/v1')] },
  ],
  [
    'an owner whose kind would move a terminal’s cursor',
    { ownerReferences: [ownedBy('Kind\u001b[2J', 'u', 'example.com/v1')] },
  ],
  [
    'an owner of a group with a line break in it',
    { ownerReferences: [ownedBy('Kind', 'u', 'example.com\n/v1')] },
  ],
  ['a StatefulSet and no revision label', { ownerReferences: [ownedBy('StatefulSet', 'u')] }],
  [
    'a revision label that is no text',
    { labels: { 'controller-revision-hash': 7 }, ownerReferences: [ownedBy('DaemonSet', 'u')] },
  ],
])('a Pod with %s is a replica of nothing', (_what, metadata) => {
  expect(ownerOf(metadata, 'shop')).toEqual({ type: 'none' });
});

test('of several owners the one that controls counts', () => {
  const references = [{ ...ownedBy('Service', 's', 'v1'), controller: false }, ownedBy('ReplicaSet', 'rs')];
  expect(ownerOf({ ownerReferences: references }, 'shop')).toMatchObject({
    type: 'revision',
    owner: { uid: 'rs' },
  });
});

test.each([
  ['Node', 'v1'],
  ['ConfigMap', 'v1'],
  ['Deployment', 'apps/v1'],
  ['CronJob', 'batch/v1'],
  ['Lease', 'coordination.k8s.io/v1'],
])('whoever writes that a %s (%s) controls the Pod makes it a replica of nothing', (kind, apiVersion) => {
  expect(ownerOf({ ownerReferences: [ownedBy(kind, 'u', apiVersion)] }, 'shop')).toEqual({ type: 'none' });
});

test.each([
  ['Cluster', 'postgresql.cnpg.io/v1'],
  ['ReplicaSet', 'example.com/v1'],
  ['Job', 'example.com/v1'],
  ['Node', 'example.com/v1'],
  ['StatefulSet', 'apps.kruise.io/v1beta1'],
])('%s of %s is a custom resource, whatever its kind is called', (kind, apiVersion) => {
  expect(ownerOf({ labels: HASH, ownerReferences: [ownedBy(kind, 'u', apiVersion)] }, 'shop').type).toBe(
    'custom',
  );
});

test('the same uid in two namespaces is two revisions, since anyone can invent an owner', () => {
  const keys = ['shop', 'evil'].map((namespace) =>
    ownerKey(ownerOf({ ownerReferences: [ownedBy('ReplicaSet', 'u')] }, namespace)),
  );
  expect(new Set(keys).size).toBe(2);
  expect(revisionKey({ kind: 'ReplicaSet', name: 'web', uid: 'u', namespace: 'shop' })).toBe(keys[0]);
});

test('the same uid under two names is two revisions, since anyone can claim a uid', () => {
  for (const [kind, labels] of [
    ['ReplicaSet', {}],
    ['StatefulSet', HASH],
    ['DaemonSet', HASH],
  ] as const) {
    const keys = ['web', 'impostor'].map((name) =>
      ownerKey(ownerOf({ labels, ownerReferences: [ownedBy(kind, 'u', 'apps/v1', name)] }, 'shop')),
    );
    expect(new Set(keys).size).toBe(kind === 'StatefulSet' ? 1 : 2);
  }
});

const statefulSet = ownerOf({ labels: HASH, ownerReferences: [ownedBy('StatefulSet', 'sts-1')] }, 'shop');

function finder(uidOf: () => Promise<string | undefined>): { finder: RevisionFinder; asked: () => number } {
  let asked = 0;
  const controllerRevisions = {
    uidOf: () => {
      asked += 1;
      return uidOf();
    },
  };
  return { finder: new RevisionFinder({ controllerRevisions, maxRevisions: 10 }), asked: () => asked };
}

test('a ControllerRevision is asked for once, and its uid is the revision', async () => {
  const { finder: finding, asked } = finder(async () => 'cr-uid');
  const revision = {
    kind: 'ControllerRevision',
    name: 'web-6d4f',
    uid: 'cr-uid',
    namespace: 'shop',
    hash: 'web-6d4f',
    apiVersion: 'apps/v1',
    workload: { kind: 'StatefulSet', name: 'web' },
  };
  expect(await finding.find(statefulSet, noDeadline())).toEqual(revision);
  expect(await finding.find(statefulSet, noDeadline())).toEqual(revision);
  expect(asked()).toBe(1);
});

test('an owner that the cluster does not confirm gives no revision, and is asked for again', async () => {
  const { finder: finding, asked } = finder(async () => undefined);
  expect(await finding.find(statefulSet, noDeadline())).toBeUndefined();
  expect(await finding.find(statefulSet, noDeadline())).toBeUndefined();
  expect(asked()).toBe(2);
});

test('a cluster that does not answer is an error, not a Pod without a revision', async () => {
  const { finder: finding } = finder(async () => Promise.reject(new PinStoreError('pin_unreadable', 'down')));
  await expect(finding.find(statefulSet, noDeadline())).rejects.toMatchObject({ code: 'pin_unreadable' });
});

test('without a cluster, workload and hash stand for the revision', async () => {
  const alone = new RevisionFinder({ controllerRevisions: undefined, maxRevisions: 10 });
  expect(await alone.find(statefulSet, noDeadline())).toMatchObject({
    uid: 'sts-1.web-6d4f',
    name: 'web-6d4f',
  });
});

test('custom owners and bare Pods have no revision, and nobody is asked', async () => {
  const { finder: finding, asked } = finder(async () => 'uid');
  const custom = ownerOf({ ownerReferences: [ownedBy('Cluster', 'u', 'postgresql.cnpg.io/v1')] }, 'shop');
  expect(await finding.find(custom, noDeadline())).toBeUndefined();
  expect(await finding.find({ type: 'none' }, noDeadline())).toBeUndefined();
  expect(asked()).toBe(0);
});
