import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { readReview } from '../../../src/admission/review.ts';
import { AdmissionUnderTest, patchedPod, ONLY_LEFT_ALONE } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { barePod, ownedBy, pod } from '../../support/pods.ts';

const A = digest('a');
const B = digest('b');

function underTest(options: ConstructorParameters<typeof AdmissionUnderTest>[0] = {}): AdmissionUnderTest {
  const admission = new AdmissionUnderTest(options);
  admission.tags.set('docker.io/library/nginx:1', A);
  admission.tags.set('docker.io/library/redis:7', B);
  admission.tags.set('docker.io/library/redis:latest', B);
  return admission;
}

describe('a new Pod', () => {
  test('gets a digest in every image field', async () => {
    const { decision, pod: after } = await underTest().admit(
      pod({
        spec: {
          initContainers: [
            { name: 'prepare', image: 'redis:7' },
            { name: 'proxy', image: 'nginx:1', restartPolicy: 'Always' },
          ],
          containers: [{ name: 'web', image: 'nginx:1' }],
          volumes: [
            { name: 'tmp', emptyDir: {} },
            { name: 'model', image: { reference: 'redis:7', pullPolicy: 'Always' } },
          ],
        },
      }),
    );
    expect(decision).toMatchObject({ outcome: 'pinned', warnings: [] });
    expect(decision.denial).toBeUndefined();
    expect(after.spec.initContainers.map(({ image }) => image)).toEqual([`redis@${B}`, `nginx@${A}`]);
    expect(after.spec.containers.map(({ image }) => image)).toEqual([`nginx@${A}`]);
    expect(after.spec.volumes).toEqual([
      { name: 'tmp', emptyDir: {} },
      { name: 'model', image: { reference: `redis@${B}`, pullPolicy: 'Always' } },
    ]);
  });

  test('as a real API server sends it gets a digest in every image field', async () => {
    const file = new URL('../../fixtures/reviews/create-all-image-fields.json', import.meta.url);
    const request = readReview(JSON.parse(readFileSync(file, 'utf8')));
    const admission = new AdmissionUnderTest();
    const names = ['main:1', 'prepare:1', 'sidecar:latest', 'data:1'];
    for (const [index, name] of names.entries()) {
      admission.tags.set(`localhost:5000/shop/${name}`, digest(`${index}`));
    }
    const after = patchedPod(request.object ?? {}, (await admission.decide(request)).patch);
    expect(after.spec.containers.map(({ image }) => image)).toEqual([
      `localhost:5000/shop/main@${digest('0')}`,
    ]);
    expect(after.spec.initContainers.map(({ image }) => image)).toEqual([
      `localhost:5000/shop/prepare@${digest('1')}`,
      `localhost:5000/shop/sidecar@${digest('2')}`,
    ]);
    expect(after.spec.volumes.find(({ image }) => image)?.image?.reference).toBe(
      `localhost:5000/shop/data@${digest('3')}`,
    );
  });

  test('keeps everything but its images and our annotation', async () => {
    const object = pod({ metadata: { labels: { app: 'web' }, annotations: { other: 'kept' } } });
    const admission = underTest();
    admission.tags.set('registry.test/shop/web:1.0', A);
    const { pod: after } = await admission.admit(object);
    const { annotations, ...metadata } = object['metadata'] as Record<string, object>;
    expect(after).toEqual({
      ...object,
      metadata: {
        ...metadata,
        annotations: {
          ...annotations,
          'samebytes.dev/images': JSON.stringify({
            web: { reference: 'registry.test/shop/web:1.0', digest: A },
          }),
        },
      },
      spec: { containers: [{ name: 'web', image: `registry.test/shop/web@${A}` }] },
    });
  });

  test('keeps images that have a digest already, and none of them is asked for', async () => {
    const admission = underTest();
    const images = [`nginx@${B}`, `nginx:1@${B}`, `redis@sha512:${'c'.repeat(128)}`];
    const { decision, pod: after } = await admission.admit(
      barePod(...images.map((image, index) => ({ name: `c${index}`, image }))),
    );
    expect(after.spec.containers.map(({ image }) => image)).toEqual(images);
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [], images: [], warnings: [] });
    expect(admission.tags.asked).toEqual([]);
  });

  test('asks once for a reference, however often and in whatever spelling it stands there', async () => {
    const admission = underTest();
    const { images } = await admission.admit(
      barePod(
        { name: 'a', image: 'nginx:1' },
        { name: 'b', image: 'nginx:1' },
        { name: 'c', image: 'docker.io/library/nginx:1' },
        { name: 'd', image: 'index.docker.io/nginx:1' },
      ),
    );
    expect(admission.tags.asked).toEqual(['docker.io/library/nginx:1']);
    expect(images).toEqual({
      a: `nginx@${A}`,
      b: `nginx@${A}`,
      c: `docker.io/library/nginx@${A}`,
      d: `index.docker.io/nginx@${A}`,
    });
  });

  test('without a tag means latest', async () => {
    const { images } = await underTest().admit(barePod({ name: 'a', image: 'redis' }));
    expect(images).toEqual({ a: `redis@${B}` });
  });

  test('of the same revision gets the digest of the first one after the tag moved', async () => {
    const admission = underTest();
    const object = pod({ spec: { containers: [{ name: 'web', image: 'nginx:1' }] } });
    await admission.admit(object);
    admission.tags.set('docker.io/library/nginx:1', B);
    const { images, decision } = await admission.admit(object);
    expect(images).toEqual({ web: `nginx@${A}` });
    expect(decision.images).toMatchObject([{ result: { source: 'pin' } }]);
    expect(admission.tags.asked).toHaveLength(1);
    const other = { ownerReferences: [ownedBy('ReplicaSet', 'rs-2')] };
    const next = pod({ metadata: other, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } });
    expect((await admission.admit(next)).images).toEqual({ web: `nginx@${B}` });
  });

  test('is reported with its owner, image by image', async () => {
    const object = pod({ spec: { containers: [{ name: 'web', image: 'nginx:1' }] } });
    const { decision } = await underTest().admit(object);
    expect(decision.owner).toBe('ReplicaSet/web');
    const result = { is: 'pinned', digest: A, source: 'registry', tookMs: 0 };
    expect(decision.images).toEqual([{ container: 'web', reference: 'nginx:1', result }]);
    expect(decision).toMatchObject({
      ownerReference: { kind: 'ReplicaSet', name: 'web' },
      revision: { kind: 'ReplicaSet', name: 'web' },
      notPinned: [],
    });
    expect(
      (await underTest().admit(barePod({ name: 'a', image: 'nginx:1' }))).decision.owner,
    ).toBeUndefined();
  });
});

describe('an image is left alone', () => {
  test('where it is never pulled', async () => {
    const admission = underTest();
    const { decision, images } = await admission.admit(
      barePod(
        { name: 'web', image: 'nginx:1', imagePullPolicy: 'Never' },
        { name: 'cache', image: 'redis:7', imagePullPolicy: 'IfNotPresent' },
      ),
    );
    expect(images).toEqual({ web: 'nginx:1', cache: `redis@${B}` });
    expect(decision.outcome).toBe('pinned');
    expect(decision.images[0]?.result).toEqual({ is: 'left', reason: 'never_pulled' });
    expect(admission.tags.asked).toEqual(['docker.io/library/redis:7']);
  });

  test('where a volume of it is never pulled', async () => {
    const volumes = [{ name: 'model', image: { reference: 'redis:7', pullPolicy: 'Never' } }];
    const { decision } = await underTest().admit(pod({ spec: { containers: [], volumes } }));
    expect(decision).toMatchObject({ outcome: 'left_alone', patch: ONLY_LEFT_ALONE });
  });

  test.each(['Nginx:1', 'nginx:', 'nginx@sha256:abc', 'a b', 'nginx:1:2', 'f'.repeat(64), 'x'.repeat(5_000)])(
    'with a warning where its reference is not valid: %.30s',
    async (image) => {
      const { decision, images } = await underTest().admit(
        barePod({ name: 'bad', image }, { name: 'cache', image: 'redis:7' }),
      );
      expect(decision.denial).toBeUndefined();
      expect(images).toEqual({ bad: image, cache: `redis@${B}` });
      expect(decision.warnings).toEqual([expect.stringContaining('is not an image reference, left alone')]);
      expect(decision.images[0]?.result).toEqual({ is: 'left', reason: 'invalid_reference' });
    },
  );

  test('without a word where it is missing, which Kubernetes reports', async () => {
    const { decision } = await underTest().admit(pod({ spec: { containers: [{ name: 'web' }] } }));
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [], warnings: [] });
  });
});

describe('the form of a pinned image', () => {
  test('with keepTag keeps the tag that was written, and invents none', async () => {
    const { images } = await underTest({ keepTag: true }).admit(
      barePod({ name: 'web', image: 'nginx:1' }, { name: 'cache', image: 'redis' }),
    );
    expect(images).toEqual({ web: `nginx:1@${A}`, cache: `redis@${B}` });
  });
});

describe('the pull policy', () => {
  const containers = [
    { name: 'always', image: 'redis', imagePullPolicy: 'Always' },
    { name: 'never', image: 'redis', imagePullPolicy: 'Never' },
    { name: 'present', image: 'redis', imagePullPolicy: 'IfNotPresent' },
    { name: 'unset', image: 'redis' },
    { name: 'digest', image: `redis@${A}`, imagePullPolicy: 'Always' },
    { name: 'bad', image: 'redis:', imagePullPolicy: 'Always' },
  ];
  const policies = containers.map(({ imagePullPolicy }) => imagePullPolicy);

  test('is kept unless the operator chooses otherwise', async () => {
    const { pod: after } = await underTest().admit(barePod(...(containers as never[])));
    expect(after.spec.containers.map(({ imagePullPolicy }) => imagePullPolicy)).toEqual(policies);
  });

  test('ifNotPresent turns Always into IfNotPresent where an image gets its digest, and changes no other', async () => {
    const { pod: after } = await underTest({ pullPolicy: 'ifNotPresent' }).admit(
      barePod(...(containers as never[])),
    );
    expect(after.spec.containers.map(({ imagePullPolicy }) => imagePullPolicy)).toEqual([
      'IfNotPresent',
      ...policies.slice(1),
    ]);
  });

  test('ifNotPresent counts for image volumes too', async () => {
    const volumes = [{ name: 'model', image: { reference: 'redis', pullPolicy: 'Always' } }];
    const object = pod({ spec: { containers: [], volumes } });
    const { pod: after } = await underTest({ pullPolicy: 'ifNotPresent' }).admit(object);
    expect(after.spec.volumes[0]?.image).toEqual({ reference: `redis@${B}`, pullPolicy: 'IfNotPresent' });
  });
});
