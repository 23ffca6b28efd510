import { expect, test } from '@jest/globals';
import { AdmissionUnderTest, type AdmissionUnderTestOptions } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { ownedBy, pod } from '../../support/pods.ts';

const NAME = { name: 'db-0', ownerReferences: [ownedBy('Job', 'job-1', 'batch/v1')] };

/** What a Pod gets in each of so many lives, one right after the other, all of which the cluster has seen. */
async function lives(
  count: number,
  options: AdmissionUnderTestOptions = {},
  metadata: object = NAME,
): Promise<string[]> {
  const admission = new AdmissionUnderTest(options);
  admission.tags.set('registry.test/shop/web:1.0', digest('a'));
  admission.lives = 100;
  const outcomes = [];
  for (let life = 0; life < count; life += 1) {
    const { decision } = await admission.admit(pod({ metadata }));
    outcomes.push(decision.outcome);
  }
  return outcomes;
}

test('a Pod that somebody recreates for ever since we change it is left alone at last', async () => {
  const outcomes = await lives(12);
  expect(outcomes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 'pinned'));
  expect(outcomes.at(-1)).toBe('left_alone');
});

test('it is not where the operator’s rules allow no opting out: anyone can recreate a Pod', async () => {
  expect(await lives(12, { rules: [{ allowOptOut: false }] })).not.toContain('left_alone');
});

test('nor is one with a name that no Pod can have: such names are not remembered, however long they are', async () => {
  expect(await lives(12, {}, { ...NAME, name: 'n'.repeat(254) })).not.toContain('left_alone');
});
