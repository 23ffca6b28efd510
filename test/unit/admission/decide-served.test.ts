import { expect, test } from '@jest/globals';
import { RegistryError } from '../../../src/registry/errors.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { barePod, pod } from '../../support/pods.ts';

// Which digests of pins a decision gave to its Pod: for whoever follows tags and digests.

const A = digest('a');
const WEB = 'registry.test/shop/web:1.0';

function underTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest();
  admission.tags.set(WEB, A);
  return admission;
}

test('each digest that a Pod gets is named with revision, owner and pull secrets, at the birth of the pin and after it', async () => {
  const admission = underTest();
  const object = pod({ spec: { imagePullSecrets: [{ name: 'regcred' }] } });
  const first = await admission.admit(object);
  const second = await admission.admit(object);
  const served = {
    revision: expect.objectContaining({ uid: 'rs-1', namespace: 'shop' }),
    image: expect.objectContaining({ reference: WEB, digest: A }),
    owner: expect.objectContaining({ kind: 'ReplicaSet', uid: 'rs-1' }),
    reference: expect.objectContaining({ written: WEB }),
    secrets: { namespace: 'shop', names: ['regcred'] },
  };
  expect(first.decision.served).toEqual([served]);
  expect(second.decision.served).toEqual([served]);
});

test('Pods that wait for the birth of their revision together are named with what it brought', async () => {
  const admission = underTest();
  const both = await Promise.all([admission.admit(pod()), admission.admit(pod())]);
  for (const { decision } of both) expect(decision.served).toHaveLength(1);
});

test('nothing is named where a decision leaves no trace, or the Pod is refused, or is a replica of nothing', async () => {
  const admission = underTest();
  await admission.admit(pod());
  admission.tags.fail(
    'registry.test/shop/other:1',
    new RegistryError('unreachable', 'down', { registry: 'r' }),
  );
  const broken = pod({
    spec: {
      containers: [
        { name: 'web', image: WEB },
        { name: 'other', image: 'registry.test/shop/other:1' },
      ],
    },
  });
  const decided = [
    await admission.admit(pod(), { dryRun: true }),
    await admission.admit(pod(), { mode: 'audit' }),
    await admission.admit(broken),
    await admission.admit(barePod({ name: 'web', image: WEB })),
  ];
  for (const { decision } of decided) expect(decision.served ?? []).toEqual([]);
});
