import { describe, expect, test } from '@jest/globals';
import { AdmissionUnderTest, type AdmissionUnderTestOptions } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { barePod, pod, type TestContainer } from '../../support/pods.ts';

const A = digest('a');
const B = digest('b');
const WEB: TestContainer = { name: 'web', image: 'nginx:1' };
const CACHE: TestContainer = { name: 'cache', image: 'redis:7' };

function underTest(options: AdmissionUnderTestOptions = {}): AdmissionUnderTest {
  const admission = new AdmissionUnderTest(options);
  admission.tags.set('docker.io/library/nginx:1', A);
  admission.tags.set('docker.io/library/nginx:2', B);
  admission.tags.set('docker.io/library/redis:7', B);
  return admission;
}

function withInit(image: string): object {
  return pod({ spec: { initContainers: [{ name: 'prepare', image }], containers: [WEB] } });
}

function withVolume(reference: string): object {
  return pod({ spec: { containers: [WEB], volumes: [{ name: 'model', image: { reference } }] } });
}

describe('an update', () => {
  test('of a label never edits a running Pod, though it runs by tag', async () => {
    const admission = underTest();
    const old = barePod(WEB, CACHE);
    const labelled = { ...old, metadata: { ...(old['metadata'] as object), labels: { canary: 'yes' } } };
    const { decision } = await admission.update(old, labelled);
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [], warnings: [] });
    expect(admission.tags.asked).toEqual([]);
  });

  test('of one image pins that image and no other', async () => {
    const admission = underTest();
    const { images, recorded } = await admission.update(
      barePod(WEB, CACHE),
      barePod({ ...WEB, image: 'nginx:2' }, CACHE),
    );
    expect(images).toEqual({ web: `nginx@${B}`, cache: 'redis:7' });
    expect(recorded).toEqual({ web: { reference: 'nginx:2', digest: B } });
    expect(admission.tags.asked).toEqual(['docker.io/library/nginx:2']);
  });

  test('of one init container pins it', async () => {
    const { images } = await underTest().update(withInit('redis:6'), withInit('redis:7'));
    expect(images).toEqual({ prepare: `redis@${B}`, web: 'nginx:1' });
  });

  test('compares containers by name: those that only changed places are left alone', async () => {
    const { decision } = await underTest().update(barePod(WEB, CACHE), barePod(CACHE, WEB));
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [] });
  });

  test('pins a container that was put in front, and no other', async () => {
    const added: TestContainer = { name: 'new', image: 'nginx:2' };
    const { images } = await underTest().update(barePod(WEB, CACHE), barePod(added, WEB, CACHE));
    expect(images).toEqual({ new: `nginx@${B}`, web: 'nginx:1', cache: 'redis:7' });
  });

  test('of the tag in another spelling is a change', async () => {
    const { images } = await underTest().update(
      barePod(WEB),
      barePod({ ...WEB, image: 'docker.io/library/nginx:1' }),
    );
    expect(images).toEqual({ web: `docker.io/library/nginx@${A}` });
  });

  test('to an image with a digest changes nothing more', async () => {
    const { decision } = await underTest().update(barePod(WEB), barePod({ ...WEB, image: `nginx@${B}` }));
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [] });
  });

  test('leaves image volumes alone, which nobody can change', async () => {
    const { decision } = await underTest().update(withVolume('redis:6'), withVolume('redis:7'));
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [] });
  });

  test('never changes the pull policy of a running container', async () => {
    const always = { ...WEB, imagePullPolicy: 'Always' };
    const { images, pod: after } = await underTest({ pullPolicy: 'ifNotPresent' }).update(
      barePod(always),
      barePod({ ...always, image: 'nginx:2' }),
    );
    expect(images).toEqual({ web: `nginx@${B}` });
    expect(after.spec.containers[0]?.imagePullPolicy).toBe('Always');
  });

  test('that is refused keeps the old Pod: an image that fails', async () => {
    const { decision } = await underTest().update(barePod(WEB), barePod({ ...WEB, image: 'nginx:3' }));
    expect(decision).toMatchObject({ outcome: 'refused', patch: [], denial: { code: 403 } });
  });

  test('whose old object is not a Pod is refused like one whose new object is not', async () => {
    const { decision } = await underTest().update({ spec: 1 }, barePod(WEB));
    expect(decision.outcome).toBe('invalid_pod');
    expect(decision.denial).toBeDefined();
  });
});
