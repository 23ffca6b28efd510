import { describe, expect, test } from '@jest/globals';
import { MODES } from '../../../src/admission/outcome.ts';
import { MAX_IMAGES_PER_PIN } from '../../../src/pins/image-pin.ts';
import { PinStoreError, type PinStore } from '../../../src/pins/pin-store.ts';
import { AdmissionUnderTest, type Admitted } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { pod } from '../../support/pods.ts';

const A = digest('a');
const OBJECT = pod({ spec: { containers: [{ name: 'web', image: 'nginx:1' }] } });
const SECRET = 'etcd at 10.0.0.9 is down';

const UNREADABLE: PinStore = {
  read: () => Promise.reject(new PinStoreError('pin_unreadable', SECRET)),
  record: () => Promise.reject(new PinStoreError('pin_unwritable', SECRET)),
};
const UNWRITABLE: PinStore = { ...UNREADABLE, read: () => Promise.resolve(undefined) };

function withStore(store: PinStore): AdmissionUnderTest {
  const admission = new AdmissionUnderTest({ store });
  admission.tags.set('docker.io/library/nginx:1', A);
  return admission;
}

function broken(): AdmissionUnderTest {
  return new AdmissionUnderTest({ pinner: { pin: () => Promise.reject(new TypeError(SECRET)) } });
}

function throwAtOnce(): never {
  throw new TypeError(SECRET);
}

const STORES = [
  ['cannot be read', 'its pin cannot be read', UNREADABLE],
  ['cannot be written', 'its pin cannot be recorded', UNWRITABLE],
] as const;

describe.each(STORES)('a pin that %s', (_how, what, store) => {
  test('refuses the Pod where pinning is enabled, since no promise can be given', async () => {
    const { decision } = await withStore(store).admit(OBJECT);
    expect(decision).toMatchObject({ outcome: 'refused', patch: [], denial: { code: 503 } });
    expect(decision.denial?.message).toContain(what);
    expect(decision.denial?.message).not.toContain('10.0.0.9');
  });

  test('lets the Pod be pinned for itself with a warning where failures are allowed', async () => {
    const { decision, images } = await withStore(store).admit(OBJECT, { mode: 'allow' });
    expect(images).toEqual({ web: `nginx@${A}` });
    expect(decision.outcome).toBe('not_recorded');
    expect(decision.warnings).toEqual([`web: "nginx:1" is pinned for this Pod alone, not recorded: ${what}`]);
  });
});

describe('an audit', () => {
  test('says that the Pod would be refused where its pin cannot be read', async () => {
    const { decision } = await withStore(UNREADABLE).admit(OBJECT, { mode: 'audit' });
    expect(decision).toMatchObject({ outcome: 'would_refuse', patch: [] });
    expect(decision.denial).toBeUndefined();
    expect(decision.warnings).toEqual(['would refuse web: "nginx:1": its pin cannot be read']);
  });

  test('and a dry run write no pin, so one that cannot be written stops neither', async () => {
    const audit = await withStore(UNWRITABLE).admit(OBJECT, { mode: 'audit' });
    expect(audit.decision.outcome).toBe('would_pin');
    const dry = await withStore(UNWRITABLE).admit(OBJECT, { dryRun: true });
    expect(dry.decision).toMatchObject({ outcome: 'pinned', warnings: [] });
  });
});

test('images beyond the room of a pin are pinned for the Pod alone, with a warning each', async () => {
  const admission = new AdmissionUnderTest();
  const containers = Array.from({ length: MAX_IMAGES_PER_PIN + 2 }, (_, index) => {
    admission.tags.set(`docker.io/library/nginx:${index}`, A);
    return { name: `c${index}`, image: `nginx:${index}` };
  });
  const { decision, images } = await admission.admit(pod({ spec: { containers } }));
  expect(new Set(Object.values(images))).toEqual(new Set([`nginx@${A}`]));
  expect(decision.outcome).toBe('not_recorded');
  expect(decision.warnings).toHaveLength(2);
  expect(decision.warnings[0]).toContain('not recorded: its pin is full');
});

describe('a fault of our own', () => {
  test('refuses the Pod where pinning is enabled', async () => {
    const { decision } = await broken().admit(OBJECT);
    expect(decision).toMatchObject({ outcome: 'internal_error', patch: [] });
    expect(decision.denial?.message).toBe('samebytes failed; its log says more');
  });

  test.each(['allow', 'audit'] as const)('admits the Pod with a warning in mode %s', async (mode) => {
    const { decision } = await broken().admit(OBJECT, { mode });
    expect(decision).toMatchObject({ outcome: 'internal_error', patch: [] });
    expect(decision.denial).toBeUndefined();
    expect(decision.warnings).toEqual(['samebytes failed; its log says more']);
  });

  test.each(MODES)('keeps its error for the log in mode %s, and never rejects', async (mode) => {
    const { decision } = await broken().admit(OBJECT, { mode });
    expect(decision.images[0]?.result).toMatchObject({ is: 'failed', error: new TypeError(SECRET) });
    expect(JSON.stringify([decision.warnings, decision.denial])).not.toContain('10.0.0.9');
  });

  test.each(MODES)('thrown at once, not later, is no different in mode %s', async (mode) => {
    const { decision } = await new AdmissionUnderTest({ pinner: { pin: throwAtOnce } }).admit(OBJECT, {
      mode,
    });
    expect(decision.outcome).toBe('internal_error');
  });

  test('like an answer that lacks an image counts as a failure of that image', async () => {
    const forgetful = new AdmissionUnderTest({ pinner: { pin: () => Promise.resolve(new Map()) } });
    const { decision } = await forgetful.admit(OBJECT);
    expect(decision.outcome).toBe('refused');
    expect(decision.images[0]?.result).toMatchObject({ is: 'failed', code: 'internal_error' });
  });
});

describe('what is no Pod', () => {
  const NO_POD = { metadata: {}, spec: { containers: 'web' } };

  test.each(['enabled', 'allow'] as const)(
    'is refused in mode %s, with the place of the fault',
    async (mode) => {
      const { decision } = await new AdmissionUnderTest().admit(NO_POD, { mode });
      expect(decision).toMatchObject({ outcome: 'invalid_pod', patch: [], warnings: [] });
      expect(decision.denial?.message).toContain('spec.containers is not a list of objects');
    },
  );

  test('is admitted by an audit, with a warning', async () => {
    const { decision } = await new AdmissionUnderTest().admit(NO_POD, { mode: 'audit' });
    expect(decision.denial).toBeUndefined();
    expect(decision.warnings).toEqual([expect.stringContaining('spec.containers is not a list of objects')]);
  });

  test('is a request without an object, too', async () => {
    const { decision } = await new AdmissionUnderTest().admit(OBJECT, { object: undefined });
    expect(decision.outcome).toBe('invalid_pod');
  });
});

test.each<[string, () => Promise<Admitted>]>([
  ['what is no Pod', () => new AdmissionUnderTest().admit({})],
  ['a fault of our own', () => broken().admit(OBJECT)],
])('a denial has code 403 or 503 and no other: %s', async (_why, admit) => {
  const { decision } = await admit();
  expect([403, 503]).toContain(decision.denial?.code);
});

test('of names and images of megabytes only the start gets into logs and audit annotations', async () => {
  const long = 'x'.repeat(1_000_000);
  const { decision } = await new AdmissionUnderTest().admit(
    pod({ spec: { containers: [{ name: long, image: long }] } }),
  );
  const [image] = decision.images;
  expect(image?.container.length).toBeLessThan(1_010);
  expect(image?.reference.length).toBeLessThan(1_010);
});
