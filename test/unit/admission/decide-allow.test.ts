import { describe, expect, test } from '@jest/globals';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { pod } from '../../support/pods.ts';

const A = digest('a');
const B = digest('b');
const WEB = 'docker.io/library/nginx:1';
const CACHE = 'docker.io/library/redis:7';
const CONTAINERS = [
  { name: 'web', image: 'nginx:1' },
  { name: 'cache', image: 'redis:7' },
];
const BOTH = pod({ spec: { containers: CONTAINERS } });

function underTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest();
  admission.tags.set(WEB, A);
  admission.tags.set(CACHE, A);
  return admission;
}

describe('where failures are allowed, a Pod of which one image gets no digest', () => {
  test.each([
    ['unreachable', 'the registry is unreachable'],
    ['throttled', 'the registry throttles us'],
    ['not_found', 'the registry has no such tag'],
    ['denied', 'the registry denied access (tried: anonymous)'],
    ['schema1', 'the image is in the old format "schema 1", which no node can run'],
    ['policy', "the registry's policy forbids this image"],
    ['certificate', "the registry's certificate has expired or is not trusted"],
  ] as const)('is admitted with a warning (%s), and its other images are pinned', async (code, why) => {
    const admission = underTest();
    admission.tags.fail(WEB, code);
    const { decision, images, recorded } = await admission.admit(BOTH, { mode: 'allow' });
    expect(decision).toMatchObject({ outcome: 'admitted_unpinned' });
    expect(decision.denial).toBeUndefined();
    expect(images).toEqual({ web: 'nginx:1', cache: `redis@${A}` });
    expect(recorded).toEqual({ cache: { reference: 'redis:7', digest: A } });
    expect(decision.warnings).toEqual([`web: "nginx:1" runs by its tag, not pinned: ${why}`]);
  });

  test('has what resolved recorded, and nothing for what failed', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'unreachable');
    await admission.admit(BOTH, { mode: 'allow' });
    expect(admission.created.map((pin) => pin.images.map(({ reference }) => reference))).toEqual([[CACHE]]);
    admission.tags.set(WEB, B);
    admission.tags.set(CACHE, B);
    const { images, decision } = await admission.admit(BOTH, { mode: 'allow' });
    expect(images).toEqual({ web: `nginx@${B}`, cache: `redis@${A}` });
    expect(decision.outcome).toBe('pinned');
  });

  test('is not patched at all where every image failed', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'unreachable');
    admission.tags.fail(CACHE, 'unreachable');
    const { decision } = await admission.admit(BOTH, { mode: 'allow' });
    expect(decision).toMatchObject({ outcome: 'admitted_unpinned', patch: [] });
    expect(decision.warnings).toHaveLength(2);
  });

  test('holds nothing in its warnings of what the registry said', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'unreachable');
    const { decision } = await admission.admit(BOTH, { mode: 'allow' });
    expect(decision.warnings.join()).not.toMatch(/ECONNREFUSED|10\.0\.0\.7/);
  });
});

describe('an audit', () => {
  test('says what would be pinned, and changes and records nothing', async () => {
    const admission = underTest();
    const { decision } = await admission.admit(BOTH, { mode: 'audit' });
    expect(decision).toMatchObject({ outcome: 'would_pin', patch: [] });
    expect(decision.warnings).toEqual([
      `would pin web: "nginx:1" to ${A}`,
      `would pin cache: "redis:7" to ${A}`,
    ]);
    expect(admission.created).toEqual([]);
  });

  test('says what would be refused, and refuses nothing', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'denied');
    const { decision } = await admission.admit(BOTH, { mode: 'audit' });
    expect(decision).toMatchObject({ outcome: 'would_refuse', patch: [] });
    expect(decision.denial).toBeUndefined();
    expect(decision.warnings).toEqual([
      'would refuse web: "nginx:1": the registry denied access (tried: anonymous)',
      `would pin cache: "redis:7" to ${A}`,
    ]);
    expect(admission.created).toEqual([]);
  });

  test('knows what the revision got where pinning is enabled too', async () => {
    const admission = underTest();
    await admission.admit(BOTH);
    admission.tags.set(WEB, B);
    const { decision } = await admission.admit(BOTH, { mode: 'audit' });
    expect(decision.images[0]?.result).toEqual({ is: 'pinned', digest: A, source: 'pin' });
  });

  test('of a Pod with nothing to pin says nothing', async () => {
    const object = pod({ spec: { containers: [{ name: 'web', image: `nginx@${A}` }] } });
    const { decision } = await underTest().admit(object, { mode: 'audit' });
    expect(decision).toMatchObject({ outcome: 'nothing_to_pin', patch: [], warnings: [] });
  });

  test('warns of what would be left alone', async () => {
    const object = pod({ spec: { containers: [{ name: 'web', image: 'bad:' }] } });
    const { decision } = await underTest().admit(object, { mode: 'audit' });
    expect(decision).toMatchObject({ outcome: 'left_alone', patch: [] });
    expect(decision.warnings).toHaveLength(1);
  });
});

describe('a dry run', () => {
  test.each(['enabled', 'allow'] as const)('is patched (%s), and nothing is recorded', async (mode) => {
    const admission = underTest();
    const dry = await admission.admit(BOTH, { dryRun: true, mode });
    expect(dry.images).toEqual({ web: `nginx@${A}`, cache: `redis@${A}` });
    expect(dry.decision).toMatchObject({ outcome: 'pinned', warnings: [] });
    expect(admission.created).toEqual([]);
    admission.tags.set(WEB, B);
    expect((await admission.admit(BOTH, { mode })).images).toEqual({
      web: `nginx@${B}`,
      cache: `redis@${A}`,
    });
  });

  test('gets the digests of its revision', async () => {
    const admission = underTest();
    await admission.admit(BOTH);
    admission.tags.set(WEB, B);
    expect((await admission.admit(BOTH, { dryRun: true })).images).toEqual({
      web: `nginx@${A}`,
      cache: `redis@${A}`,
    });
  });
});
