import { describe, expect, test } from '@jest/globals';
import { AdmissionUnderTest, ONLY_LEFT_ALONE } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { pod, type TestContainer } from '../../support/pods.ts';

const A = digest('a');
const B = digest('b');
const IMAGES = 'samebytes.dev/images';

function underTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest();
  admission.tags.set('docker.io/library/nginx:1', A);
  admission.tags.set('docker.io/library/proxy:1', B);
  return admission;
}

function annotated(annotations: object | undefined, ...containers: TestContainer[]): object {
  return pod({ metadata: { annotations }, spec: { containers } });
}

const WEB: TestContainer = { name: 'web', image: 'nginx:1' };

describe('the original stays visible', () => {
  test('as it was written, by container and volume', async () => {
    const volumes = [{ name: 'model', image: { reference: 'docker.io/library/proxy:1' } }];
    const { recorded } = await underTest().admit(pod({ spec: { containers: [WEB], volumes } }));
    expect(recorded).toEqual({
      web: { reference: 'nginx:1', digest: A },
      'volume/model': { reference: 'docker.io/library/proxy:1', digest: B },
    });
  });

  test('only for images that got a digest', async () => {
    const object = annotated(
      undefined,
      WEB,
      { name: 'a', image: `nginx@${B}` },
      { name: 'b', image: 'bad:' },
    );
    const { recorded } = await underTest().admit(object);
    expect(Object.keys(recorded as object)).toEqual(['web']);
  });

  test('without an annotation where no image got one', async () => {
    const { recorded, decision } = await underTest().admit(
      annotated(undefined, { name: 'a', image: 'bad:' }),
    );
    expect(recorded).toBeUndefined();
    expect(decision.patch).toEqual(ONLY_LEFT_ALONE);
  });
});

describe('when we are called again for the same Pod', () => {
  test('a container that was injected is added by name', async () => {
    const admission = underTest();
    const first = await admission.admit(annotated({ other: 'kept' }, WEB));
    const injected = structuredClone(first.pod) as unknown as { spec: { containers: object[] } };
    injected.spec.containers.unshift({ name: 'proxy', image: 'proxy:1' });
    const again = await admission.admit(injected);
    expect(again.images).toEqual({ proxy: `proxy@${B}`, web: `nginx@${A}` });
    expect(again.recorded).toEqual({
      web: { reference: 'nginx:1', digest: A },
      proxy: { reference: 'proxy:1', digest: B },
    });
    expect(again.pod.metadata?.annotations?.['other']).toBe('kept');
  });

  test('a container that was rendered anew is pinned anew, to the same digest', async () => {
    const admission = underTest();
    const first = await admission.admit(annotated(undefined, WEB));
    admission.tags.set('docker.io/library/nginx:1', B);
    const rendered = annotated(first.pod.metadata?.annotations, WEB);
    expect(await admission.admit(rendered)).toMatchObject({ pod: first.pod, recorded: first.recorded });
  });

  test('with nothing new, nothing is patched', async () => {
    const admission = underTest();
    const first = await admission.admit(annotated(undefined, WEB));
    const again = await admission.admit(first.pod);
    expect(again.decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [] });
  });
});

describe('an annotation that is there already', () => {
  test('loses entries that no longer hold', async () => {
    const record = JSON.stringify({
      gone: { reference: 'gone:1', digest: A },
      changed: { reference: 'nginx:1', digest: A },
      kept: { reference: 'nginx:0', digest: A },
    });
    const object = annotated(
      { [IMAGES]: record },
      WEB,
      { name: 'changed', image: `nginx@${B}` },
      { name: 'kept', image: `nginx@${A}` },
    );
    expect((await underTest().admit(object)).recorded).toEqual({
      kept: { reference: 'nginx:0', digest: A },
      web: { reference: 'nginx:1', digest: A },
    });
  });

  test.each(['', '{', '[]', '7', '{"web":null}'])('and says %j is replaced', async (text) => {
    const { recorded } = await underTest().admit(annotated({ [IMAGES]: text }, WEB));
    expect(recorded).toEqual({ web: { reference: 'nginx:1', digest: A } });
  });

  test('of a wrong type is replaced', async () => {
    const { recorded } = await underTest().admit(annotated({ [IMAGES]: 7 }, WEB));
    expect(recorded).toEqual({ web: { reference: 'nginx:1', digest: A } });
  });
});

describe('a Pod whose annotations are as large as Kubernetes allows', () => {
  const full = { filler: 'x'.repeat(256 * 1024 - 'filler'.length) };

  test('is pinned without our annotation, and a warning says so', async () => {
    const { images, recorded, decision } = await underTest().admit(annotated(full, WEB));
    expect(images).toEqual({ web: `nginx@${A}` });
    expect(recorded).toBeUndefined();
    expect(decision.patch.map(({ path }) => path)).toEqual(['/spec/containers/0/image']);
    expect(decision.outcome).toBe('pinned');
    expect(decision.warnings).toEqual([`the Pod's annotations are too large to add ${IMAGES}`]);
  });

  test('gets no such warning where nothing is to be added', async () => {
    const { decision } = await underTest().admit(annotated(full, { name: 'web', image: `nginx@${A}` }));
    expect(decision.warnings).toEqual([]);
  });

  test('never grows past the limit with a thousand containers', async () => {
    const names = Array.from({ length: 1_000 }, (_, index) => ({
      name: `container-${index}`,
      image: 'nginx:1',
    }));
    const { pod: after, decision } = await underTest().admit(
      annotated({ filler: 'x'.repeat(200_000) }, ...names),
    );
    const size = Object.entries(after.metadata?.annotations ?? {})
      .flat()
      .join('').length;
    expect(size).toBeLessThanOrEqual(256 * 1024);
    expect(after.spec.containers.every(({ image }) => image === `nginx@${A}`)).toBe(true);
    expect(decision.warnings).toHaveLength(size > 200_006 ? 0 : 1);
  });
});
