import { describe, expect, test } from '@jest/globals';
import { AdmissionUnderTest, type Admitted, type AdmissionUnderTestOptions } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { pod, type TestContainer } from '../../support/pods.ts';

const A = digest('a');
const B = digest('b');
const SUBRESOURCE = { operation: 'UPDATE', subResource: 'ephemeralcontainers' } as const;

function underTest(options: AdmissionUnderTestOptions = {}): AdmissionUnderTest {
  const admission = new AdmissionUnderTest(options);
  admission.tags.set('docker.io/library/debug:1', A);
  return admission;
}

/** A Pod of a ReplicaSet, running by tag, with these ephemeral containers. */
function running(...ephemeralContainers: TestContainer[]): Record<string, unknown> {
  return pod({ spec: { containers: [{ name: 'web', image: 'debug:1' }], ephemeralContainers } });
}

function debug(
  admission: AdmissionUnderTest,
  old: object,
  next: object,
  mode: 'enabled' | 'allow' | 'audit' = 'enabled',
): Promise<Admitted> {
  return admission.admit(next, { ...SUBRESOURCE, oldObject: old as Record<string, unknown>, mode });
}

const NEW: TestContainer = { name: 'debugger', image: 'debug:1' };

describe('a new ephemeral container', () => {
  test('gets a digest, and nothing else of the Pod is patched', async () => {
    const { decision, images } = await debug(underTest(), running(), running(NEW));
    expect(decision.patch).toEqual([
      { op: 'replace', path: '/spec/ephemeralContainers/0/image', value: `debug@${A}` },
    ]);
    expect(images).toEqual({ web: 'debug:1', debugger: `debug@${A}` });
  });

  test('is nobody’s replica: it is resolved afresh and not recorded', async () => {
    const admission = underTest();
    await admission.admit(pod({ spec: { containers: [{ name: 'web', image: 'debug:1' }] } }));
    admission.tags.set('docker.io/library/debug:1', B);
    const { images, decision } = await debug(admission, running(), running(NEW));
    expect(images['debugger']).toBe(`debug@${B}`);
    expect(decision.images).toMatchObject([{ container: 'debugger', result: { source: 'registry' } }]);
    expect(admission.created.flatMap((pin) => pin.images)).toHaveLength(1);
  });

  test('put in front of older ones is told from them by name', async () => {
    const old: TestContainer = { name: 'older', image: 'debug:0' };
    const { decision } = await debug(underTest(), running(old), running(NEW, old));
    expect(decision.patch).toMatchObject([{ path: '/spec/ephemeralContainers/0/image' }]);
  });

  test('may have its pull policy relaxed, since it does not run yet', async () => {
    const next = running({ ...NEW, imagePullPolicy: 'Always' });
    const { pod: after } = await debug(underTest({ pullPolicy: 'ifNotPresent' }), running(), next);
    expect(after.spec.ephemeralContainers).toEqual([
      { name: 'debugger', image: `debug@${A}`, imagePullPolicy: 'IfNotPresent' },
    ]);
  });
});

describe('ephemeral containers that were there before', () => {
  test('are left alone, also where their image differs, which the API server answers', async () => {
    const admission = underTest();
    const { decision } = await debug(admission, running({ ...NEW, image: 'debug:0' }), running(NEW));
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [] });
    expect(admission.tags.asked).toEqual([]);
  });

  test('are left alone when the Pod itself is updated', async () => {
    const next = running({ ...NEW, image: 'debug:2' });
    const { decision } = await underTest().update(running(NEW), next);
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [] });
  });
});

describe('a request about ephemeral containers', () => {
  test('never patches other containers, whatever it says of them', async () => {
    const old = pod({ spec: { containers: [{ name: 'web', image: 'debug:0' }] } });
    const { decision } = await debug(underTest(), old, running(NEW));
    expect(decision.patch.map(({ path }) => path)).toEqual(['/spec/ephemeralContainers/0/image']);
  });
});

describe('an ephemeral container that gets no digest', () => {
  test.each(['enabled', 'allow'] as const)(
    'is admitted with a warning (%s): an outage must not block kubectl debug',
    async (mode) => {
      const admission = underTest();
      admission.tags.fail('docker.io/library/debug:1', 'unreachable');
      const { decision } = await debug(admission, running(), running(NEW), mode);
      expect(decision).toMatchObject({ outcome: 'admitted_unpinned', patch: [] });
      expect(decision.denial).toBeUndefined();
      expect(decision.warnings).toEqual([
        'debugger: "debug:1" runs by its tag, not pinned: the registry is unreachable',
      ]);
    },
  );

  test('does not keep another one from its digest', async () => {
    const { images, decision } = await debug(
      underTest(),
      running(),
      running({ name: 'x', image: 'gone:1' }, NEW),
    );
    expect(images).toMatchObject({ x: 'gone:1', debugger: `debug@${A}` });
    expect(decision.outcome).toBe('admitted_unpinned');
  });

  test('is not said to be refused by an audit, since it would not be', async () => {
    const admission = underTest();
    admission.tags.fail('docker.io/library/debug:1', 'unreachable');
    const { decision } = await debug(admission, running(), running(NEW), 'audit');
    expect(decision.outcome).not.toBe('would_refuse');
    expect(decision.warnings).toHaveLength(1);
    expect(decision.warnings[0]).not.toContain('would refuse');
  });
});
