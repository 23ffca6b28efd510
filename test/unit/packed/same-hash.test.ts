import { hash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { Workloads } from '../../../src/kubernetes/workloads.ts';
import { hashOf } from '../../../src/packed/hash.ts';
import { TagCache } from '../../../src/resolver/tag-cache.ts';
import { digest } from '../../support/digests.ts';
import { noDeadline } from '../../support/signals.ts';

/** Two texts of this form that have the same hash in this process. */
function twins(text: (index: number) => string): [string, string] {
  const known = new Map<number, string>();
  for (let index = 0; ; index += 1) {
    const one = text(index);
    const other = known.get(hashOf(one));
    if (other !== undefined) return [other, one];
    known.set(hashOf(one), one);
  }
}

// What has the same hash as what is asked for must never be taken for it.

test('a tag of another credential that has the same hash is not answered with its digest', () => {
  const [mine, theirs] = twins((index) => `registry.test/web:1 ${hash('sha256', `${index}`)}`);
  const cache = new TagCache({ maxTags: 10, maxFailures: 10, now: () => 0 });
  cache.keep(mine, { digest: digest('a'), askedAtMs: 5 });
  expect(cache.answer(theirs, Infinity)).toBeUndefined();
  // Nor does its time keep the other's answer out.
  cache.keep(theirs, { digest: digest('b'), askedAtMs: 1 });
  expect([cache.answer(mine, Infinity), cache.answer(theirs, Infinity)?.digest]).toEqual([
    undefined,
    digest('b'),
  ]);
});

test('a revision is not given the workload of another one that has the same hash', async () => {
  const [mine = '', theirs = ''] = twins((index) => `shop/ReplicaSet/web/${hash('sha256', `${index}`)}`).map(
    (key) => key.slice(key.lastIndexOf('/') + 1),
  );
  let uid = mine;
  const workloads = new Workloads({
    readNamespacedReplicaSet: async () => ({
      metadata: {
        uid,
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name: `of-${uid}`, uid: 'd', controller: true },
        ],
      },
    }),
    readNamespacedControllerRevision: () => Promise.reject(new Error('not asked')),
  });
  const above = async (): Promise<string | undefined> =>
    (await workloads.above('shop', { kind: 'ReplicaSet', name: 'web', uid }, noDeadline()))?.name;
  expect(await above()).toBe(`of-${mine}`);
  uid = theirs;
  expect(await above()).toBe(`of-${theirs}`);
});
