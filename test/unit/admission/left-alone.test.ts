import { describe, expect, test } from '@jest/globals';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { barePod } from '../../support/pods.ts';

const ANNOTATION = 'samebytes.dev/left-alone';

function withAnnotations(pod: Record<string, unknown>, annotations: object): Record<string, unknown> {
  return { ...pod, metadata: { ...(pod['metadata'] as object), annotations } };
}

describe('the annotation that names what was left alone', () => {
  const admission = new AdmissionUnderTest();
  admission.tags.set('registry.test/a:1', digest('a'));

  test.each([
    ['policy off', { name: 'b', image: 'registry.test/b:1' }],
    ['pull policy Never', { name: 'b', image: 'registry.test/b:1', imagePullPolicy: 'Never' }],
    ['an unreadable reference', { name: 'b', image: 'a//b' }],
  ])('names a container with %s, and not those that are pinned', async (_why, container) => {
    const pod = withAnnotations(barePod({ name: 'a', image: 'registry.test/a:1' }, container), {
      'samebytes.dev/policy': 'b=off',
    });
    const { pod: after } = await admission.admit(pod);
    expect(after.metadata?.annotations?.[ANNOTATION]).toBe('b');
  });

  test.each(['a', '*'])('is taken away from a Pod that brings %j along and is pinned', async (text) => {
    const pod = withAnnotations(barePod({ name: 'a', image: 'registry.test/a:1' }), { [ANNOTATION]: text });
    const { pod: after } = await admission.admit(pod);
    expect(after.metadata?.annotations).not.toHaveProperty([ANNOTATION]);
  });

  test('is written anew over what a Pod brings along', async () => {
    const pod = withAnnotations(
      barePod({ name: 'a', image: 'registry.test/a:1' }, { name: 'b', image: 'a//b' }),
      {
        [ANNOTATION]: 'a,b',
      },
    );
    const { pod: after } = await admission.admit(pod);
    expect(after.metadata?.annotations?.[ANNOTATION]).toBe('b');
  });

  test('is one star for more than a hundred containers', async () => {
    const containers = Array.from({ length: 101 }, (_, index) => ({ name: `c${index}`, image: 'a//b' }));
    const { pod: after } = await admission.admit(barePod(...containers));
    expect(after.metadata?.annotations?.[ANNOTATION]).toBe('*');
  });

  test('stays as it is on an update', async () => {
    const before = withAnnotations(barePod({ name: 'a', image: 'registry.test/a:1' }), { [ANNOTATION]: 'x' });
    const pod = withAnnotations(barePod({ name: 'a', image: 'registry.test/a:1@' + digest('b') }), {
      [ANNOTATION]: 'x',
    });
    const { decision } = await admission.update(pod, before);
    expect(JSON.stringify(decision.patch)).not.toContain('left-alone');
  });

  test('is not written by an audit', async () => {
    const { decision } = await admission.admit(barePod({ name: 'b', image: 'a//b' }), { mode: 'audit' });
    expect(decision.patch).toEqual([]);
  });
});
