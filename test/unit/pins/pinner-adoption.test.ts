import { describe, expect, test } from '@jest/globals';
import { PinStoreError } from '../../../src/pins/pin-store.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { pod } from '../../support/pods.ts';

const [A, B] = [digest('a'), digest('b')];
const IMAGE = 'registry.test/shop/web:1.0';
const PINNED_SIBLING = {
  image: `registry.test/shop/web@${A}`,
  recorded: { reference: IMAGE, digest: A },
  imageId: undefined,
};

function underTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest();
  admission.tags.set(IMAGE, B);
  return admission;
}

describe('the first Pod that is seen of a revision', () => {
  test('joins the Pods that were pinned before, and the pin says that it was adopted', async () => {
    const admission = underTest();
    admission.siblings = [PINNED_SIBLING];
    const { images, decision } = await admission.admit(pod());
    expect(images).toEqual({ web: `registry.test/shop/web@${A}` });
    expect(decision.images[0]?.result).toMatchObject({ source: 'sibling' });
    expect(admission.created[0]?.images).toEqual([expect.objectContaining({ digest: A, source: 'adopted' })]);
  });

  test('joins them also while the registry is away', async () => {
    const admission = underTest();
    admission.tags.fail(IMAGE, 'unreachable');
    admission.siblings = [PINNED_SIBLING];
    expect((await admission.admit(pod())).images).toEqual({ web: `registry.test/shop/web@${A}` });
  });

  test('gets what the tag means where they disagree, which is told', async () => {
    const admission = underTest();
    const other = { ...PINNED_SIBLING, image: `registry.test/shop/web@${digest('c')}` };
    admission.siblings = [PINNED_SIBLING, { ...other, recorded: { reference: IMAGE, digest: digest('c') } }];
    expect((await admission.admit(pod())).images).toEqual({ web: `registry.test/shop/web@${B}` });
    expect(admission.splits).toEqual([`${IMAGE} ${A} ${digest('c')}`]);
  });

  test('is refused where nobody can tell which Pods there are', async () => {
    const admission = underTest();
    Object.defineProperty(admission, 'siblings', {
      get: () => {
        throw new PinStoreError('pin_unreadable', 'no');
      },
    });
    expect(
      (await admission.decide((await import('../../support/pods.ts')).admissionRequest(pod()))).denial,
    ).toMatchObject({ code: 503 });
  });
});
