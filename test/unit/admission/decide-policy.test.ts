import { describe, expect, test } from '@jest/globals';
import {
  AdmissionUnderTest,
  type AdmissionUnderTestOptions,
  ONLY_LEFT_ALONE,
} from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { ownedBy, pod } from '../../support/pods.ts';

const A = digest('a');
const B = digest('b');
const CNPG = [ownedBy('Cluster', 'cluster-1', 'postgresql.cnpg.io/v1', 'db')];

function underTest(options: AdmissionUnderTestOptions = {}): AdmissionUnderTest {
  const admission = new AdmissionUnderTest(options);
  admission.tags.set('docker.io/library/nginx:1', A);
  admission.tags.set('docker.io/library/proxy:1', B);
  return admission;
}

function webAndProxy(metadata: object = {}): object {
  const containers = [
    { name: 'web', image: 'nginx:1' },
    { name: 'proxy', image: 'proxy:1' },
  ];
  return pod({ metadata, spec: { containers } });
}

function asking(policy: string): object {
  return webAndProxy({ annotations: { 'samebytes.dev/policy': policy } });
}

const BY_TAG = { web: 'nginx:1', proxy: 'proxy:1' };
const PINNED = { web: `nginx@${A}`, proxy: `proxy@${B}` };

describe('the annotation of a Pod', () => {
  test('turns one container off', async () => {
    const { images, decision } = await underTest().admit(asking('proxy=off'));
    expect(images).toEqual({ ...PINNED, proxy: 'proxy:1' });
    expect(decision).toMatchObject({ outcome: 'pinned', warnings: [], optOutsRefused: 0 });
    expect(decision.images[1]?.result).toEqual({ is: 'left', reason: 'policy_off' });
  });

  test('turns all off but one', async () => {
    expect((await underTest().admit(asking('off,web=sticky'))).images).toEqual({
      ...PINNED,
      proxy: 'proxy:1',
    });
  });

  test('turns an image volume off by its name', async () => {
    const volumes = [{ name: 'model', image: { reference: 'proxy:1' } }];
    const annotations = { 'samebytes.dev/policy': 'volume/model=off' };
    const object = pod({ metadata: { annotations }, spec: { containers: [], volumes } });
    expect((await underTest().admit(object)).decision).toMatchObject({
      outcome: 'left_alone',
      patch: ONLY_LEFT_ALONE,
    });
  });

  test('that turns everything off makes the Pod left alone, without a warning', async () => {
    const admission = underTest();
    const { decision } = await admission.admit(asking('off'));
    expect(decision).toMatchObject({ outcome: 'left_alone', patch: ONLY_LEFT_ALONE, warnings: [] });
    expect(admission.tags.asked).toEqual([]);
  });

  test('that cannot be read leads to a warning, and the rest of it holds', async () => {
    const { images, decision } = await underTest().admit(asking('Off,proxy=off,x=maybe'));
    expect(images).toEqual({ ...PINNED, proxy: 'proxy:1' });
    expect(decision.warnings).toEqual([
      'annotation samebytes.dev/policy: cannot read "Off", "x=maybe"; write sticky, follow, off or CONTAINER=POLICY',
    ]);
  });

  test('is powerless where a rule says so: pinned, counted per image, one warning', async () => {
    const { images, decision } = await underTest({ rules: [{ allowOptOut: false }] }).admit(asking('off'));
    expect(images).toEqual(PINNED);
    expect(decision.optOutsRefused).toBe(2);
    expect(decision.warnings).toEqual([expect.stringContaining('has no effect here')]);
  });

  test('is powerless for the images of that rule alone', async () => {
    const rules = [{ images: ['**/nginx'], allowOptOut: false }];
    const { images, decision } = await underTest({ rules }).admit(asking('off'));
    expect(images).toEqual({ ...BY_TAG, web: PINNED.web });
    expect(decision.optOutsRefused).toBe(1);
  });

  test('warns of a powerless annotation also where the Pod is refused', async () => {
    const admission = underTest({ rules: [{ allowOptOut: false }] });
    admission.tags.fail('docker.io/library/proxy:1', 'unreachable');
    const { decision } = await admission.admit(asking('proxy=off'));
    expect(decision.outcome).toBe('refused');
    expect(decision.warnings).toEqual([expect.stringContaining('has no effect here')]);
  });
});

describe('the rules of the operator', () => {
  test('turn images off by glob', async () => {
    const rules = [{ images: ['docker.io/library/proxy'], policy: 'off' as const }];
    expect((await underTest({ rules }).admit(webAndProxy())).images).toEqual({ ...PINNED, proxy: 'proxy:1' });
  });

  test.each([
    ['ReplicaSet', [ownedBy('ReplicaSet', 'u')], 'ReplicaSet', true],
    ['ReplicaSet', [ownedBy('ReplicaSet', 'u')], 'ReplicaSet.apps', true],
    ['Job', [ownedBy('Job', 'u', 'batch/v1')], 'Job.batch', true],
    ['ReplicationController', [ownedBy('ReplicationController', 'u', 'v1')], 'ReplicationController', true],
    ['nobody', undefined, 'None', true],
    ['nobody', undefined, 'ReplicaSet', false],
    ['ReplicaSet', [ownedBy('ReplicaSet', 'u')], 'None', false],
    ['ReplicaSet of another group', [ownedBy('ReplicaSet', 'u', 'example.com/v1')], 'ReplicaSet', false],
  ])('know the Pod of %s (%j) by the kind %s: %p', async (_who, ownerReferences, kind, matches) => {
    const rules = [{ ownerKinds: [kind], policy: 'follow' as const }];
    const admission = underTest({ rules, defaultPolicy: 'off' });
    const { images } = await admission.admit(webAndProxy({ ownerReferences }));
    expect(images).toEqual(matches ? PINNED : BY_TAG);
  });

  test('know namespaces by the request, since the Pod may not name its own', async () => {
    const rules = [{ namespaces: ['team-*'], policy: 'off' as const }];
    const object = webAndProxy({ namespace: undefined });
    expect((await underTest({ rules }).admit(object, { namespace: 'team-a' })).images).toEqual(BY_TAG);
    expect((await underTest({ rules }).admit(object, { namespace: 'shop' })).images).toEqual(PINNED);
  });
});

describe('a Pod that a custom resource owns', () => {
  test('is left alone, and a warning says why', async () => {
    const admission = underTest();
    const { decision } = await admission.admit(webAndProxy({ ownerReferences: CNPG }));
    expect(decision).toMatchObject({ outcome: 'left_alone', patch: ONLY_LEFT_ALONE, owner: 'Cluster/db' });
    expect(decision.images[0]?.result).toEqual({ is: 'left', reason: 'custom_owner' });
    expect(decision.warnings).toHaveLength(2);
    expect(decision.warnings[0]).toContain('the owner is a custom resource');
    expect(admission.tags.asked).toEqual([]);
  });

  test('is pinned for itself alone once a rule turns it on', async () => {
    const rules = [{ ownerKinds: ['Cluster.postgresql.cnpg.io'], policy: 'sticky' as const }];
    const admission = underTest({ rules });
    const { images, decision } = await admission.admit(webAndProxy({ ownerReferences: CNPG }));
    expect(images).toEqual(PINNED);
    expect(decision).toMatchObject({ outcome: 'pinned', warnings: [] });
    expect(admission.created).toEqual([]);
  });

  test('is not turned on by its annotation', async () => {
    const annotations = { 'samebytes.dev/policy': 'sticky' };
    const { decision } = await underTest().admit(webAndProxy({ ownerReferences: CNPG, annotations }));
    expect(decision).toMatchObject({ outcome: 'left_alone', patch: ONLY_LEFT_ALONE });
  });
});

describe('policy follow', () => {
  test('gives each Pod the digest of the moment and records nothing', async () => {
    const admission = underTest({ defaultPolicy: 'follow' });
    expect((await admission.admit(webAndProxy())).images).toEqual(PINNED);
    admission.tags.set('docker.io/library/nginx:1', B);
    admission.clock.advance(61_000);
    expect((await admission.admit(webAndProxy())).images).toEqual({ ...PINNED, web: `nginx@${B}` });
    expect(admission.created).toEqual([]);
  });

  test('answers from the cache while its time lasts', async () => {
    const admission = underTest({ defaultPolicy: 'follow' });
    await admission.admit(webAndProxy());
    admission.tags.set('docker.io/library/nginx:1', B);
    admission.clock.advance(1_000);
    const { images, decision } = await admission.admit(webAndProxy());
    expect(images).toEqual(PINNED);
    expect(decision.images).toMatchObject([{ result: { source: 'cache' } }, { result: { source: 'cache' } }]);
    expect(admission.tags.asked).toHaveLength(2);
  });

  test('and policy sticky may meet in one Pod over one reference', async () => {
    const admission = underTest();
    const containers = [
      { name: 'web', image: 'nginx:1' },
      { name: 'tail', image: 'nginx:1' },
    ];
    const annotations = { 'samebytes.dev/policy': 'tail=follow' };
    const object = pod({ metadata: { annotations }, spec: { containers } });
    expect((await admission.admit(object)).images).toEqual({ web: `nginx@${A}`, tail: `nginx@${A}` });
    admission.tags.set('docker.io/library/nginx:1', B);
    admission.clock.advance(61_000);
    expect((await admission.admit(object)).images).toEqual({ web: `nginx@${A}`, tail: `nginx@${B}` });
    expect(admission.created.flatMap((pin) => pin.images)).toHaveLength(1);
  });

  test('that fails refuses the Pod as sticky does', async () => {
    const admission = underTest({ defaultPolicy: 'follow' });
    admission.tags.fail('docker.io/library/nginx:1', 'denied');
    expect((await admission.admit(webAndProxy())).decision).toMatchObject({
      outcome: 'refused',
      denial: { code: 403 },
    });
  });
});
