import { beforeEach, describe, expect, test } from '@jest/globals';
import { pinName, type ImagePin, type PinnedImage } from '../../../src/pins/image-pin.ts';
import { PinMemory, type PinVersion } from '../../../src/pins/pin-memory.ts';
import type { Revision } from '../../../src/pins/revision.ts';
import { FakeClock } from '../../support/clock.ts';

const revision = (uid: string): Revision => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'web',
  uid,
  namespace: 'shop',
});
const A = revision('a');
const B = revision('b');
const pin = (id: string, of: Revision = A): ImagePin => ({ revision: of, images: [], id });
const image = (name: string, source: PinnedImage['source']): PinnedImage => ({
  reference: `registry.test/shop/${name}:1.0`,
  digest: `sha256:${'0'.repeat(64)}`,
  resolvedAt: '2026-01-01T00:00:00Z',
  source,
});
const longImage = (_: unknown, index: number): PinnedImage =>
  image(`${index}`.padStart(490, 'a'), 'resolved');
let clock: FakeClock;
let memory: PinMemory;

/** As the watch tells that the pin with this id, which the revision had, was deleted. */
function forget(id: string, of = A): ImagePin | undefined {
  return memory.forget({ namespace: of.namespace, name: pinName(of), id });
}

beforeEach(() => {
  clock = new FakeClock();
  memory = new PinMemory({ maxPins: 3, now: clock.now });
});

test('keeps nothing while nobody follows deletions', () => {
  memory.remember(pin('1'), memory.mark());
  expect(memory.get(A)).toBeUndefined();
  memory.open();
  expect(memory.get(A)).toBeUndefined();
});

test('does not keep what was read before deletions were followed: it may have been deleted in between', () => {
  const mark = memory.mark();
  memory.open();
  memory.remember(pin('1'), mark);
  expect(memory.get(A)).toBeUndefined();
});

describe('while deletions are followed', () => {
  beforeEach(() => memory.open());

  test('keeps what was read', () => {
    memory.remember(pin('1'), memory.mark());
    expect(memory.get(A)).toEqual(pin('1'));
  });

  test.each<[string, ImagePin]>([
    ['of a Deployment', { ...pin('1'), revision: { ...A, workload: { kind: 'Deployment', name: 'w' } } }],
    ['whose hash is nonsense', { ...pin('1'), revision: { ...A, hash: 'a\n"b\\' } }],
    ['with images', { ...pin('1'), images: [image('a', 'resolved'), image('b', 'adopted')] }],
    ['with as many images as there can be', { ...pin('1'), images: Array.from({ length: 128 }, longImage) }],
  ])('keeps all of a pin %s, and gives it back at its deletion', (_what, whole) => {
    memory.remember(whole, memory.mark());
    expect(memory.get(A)).toEqual(whole);
    expect(forget('1')).toEqual(whole);
  });

  test('forgets a pin that was deleted, and no other', () => {
    memory.remember(pin('1'), memory.mark());
    memory.remember(pin('2', B), memory.mark());
    forget('1');
    expect([memory.get(A), memory.get(B)]).toEqual([undefined, pin('2', B)]);
  });

  test('does not keep a pin whose deletion came before it did', () => {
    const mark = memory.mark();
    forget('1');
    memory.remember(pin('1'), mark);
    expect(memory.get(A)).toBeUndefined();
    memory.remember(pin('2'), mark);
    expect(memory.get(A)).toEqual(pin('2'));
  });

  test('does not keep what was read before a gap', () => {
    const mark = memory.mark();
    memory.close();
    memory.open();
    memory.remember(pin('1'), mark);
    expect(memory.get(A)).toBeUndefined();
  });

  test('is empty after a gap', () => {
    memory.remember(pin('1'), memory.mark());
    memory.close();
    expect([memory.get(A), memory.size]).toEqual([undefined, 0]);
  });

  test('knows the pin of a revision that got a new one, by its new id', () => {
    memory.remember(pin('1'), memory.mark());
    memory.remember(pin('2'), memory.mark());
    forget('1');
    expect(memory.get(A)).toEqual(pin('2'));
    forget('2', A);
    expect(memory.get(A)).toBeUndefined();
  });

  test('is bounded, however many pins there are', () => {
    for (let index = 0; index < 1_000; index += 1)
      memory.remember(pin(`id${index}`, revision(`${index}`)), memory.mark());
    expect(memory.size).toBe(3);
    for (let index = 0; index < 1_000; index += 1) forget(`id${index}`, revision(`${index}`));
    expect(memory.size).toBe(0);
  });

  test.each<[string, Partial<Revision>]>([
    ['kind', { kind: 'Job' }],
    ['name', { name: 'web2' }],
    ['namespace', { namespace: 'other' }],
    ['uid', { uid: 'b' }],
  ])('gives a pin to no revision of another %s', (_what, other) => {
    memory.remember(pin('1'), memory.mark());
    expect([memory.get({ ...A, ...other }), memory.version({ ...A, ...other })]).toEqual([
      undefined,
      undefined,
    ]);
    expect(memory.get(A)).toEqual(pin('1'));
  });

  test('gives the pin of two revisions at one place to the later one only: the other is read again', () => {
    const job = { ...A, kind: 'Job' };
    memory.remember(pin('1'), memory.mark());
    memory.remember(pin('2', job), memory.mark());
    expect([memory.get(A), memory.get(job)]).toEqual([undefined, pin('2', job)]);
    forget('1');
    expect(memory.get(job)).toEqual(pin('2', job));
  });

  test('keeps a pin where another one is deleted at its place, or its id at another place', () => {
    memory.remember(pin('1'), memory.mark());
    expect([forget('2'), forget('1', B)]).toEqual([undefined, undefined]);
    expect(memory.get(A)).toEqual(pin('1'));
  });

  test('forgets the one that was used the longest ago, also where only its version was asked for', () => {
    for (const uid of ['a', 'b', 'c']) memory.remember(pin(uid, revision(uid)), memory.mark());
    memory.version(A);
    memory.remember(pin('d', revision('d')), memory.mark());
    expect([memory.get(A)?.id, memory.get(B)?.id]).toEqual(['a', undefined]);
    expect(memory.caches.pin?.evictions).toBe(1);
  });

  describe('the version of a pin', () => {
    const withImage = { ...pin('1'), images: [image('a', 'resolved')] };
    const holds = (version: PinVersion | undefined, of = A): boolean =>
      version !== undefined && memory.holds(version, of);

    test('holds as long as the pin is kept, for its revision alone', () => {
      expect(memory.version(A)).toBeUndefined();
      memory.remember(withImage, memory.mark());
      memory.remember(pin('2', B), memory.mark());
      const version = memory.version(A);
      expect([holds(version), holds(version, B), holds(memory.version(B), B)]).toEqual([true, false, true]);
    });

    test.each<[string, Partial<Revision>]>([
      ['kind', { kind: 'Job' }],
      ['uid', { uid: 'b' }],
    ])('is none for a revision of another %s', (_what, other) => {
      memory.remember(withImage, memory.mark());
      const version = memory.version(A);
      expect([memory.version({ ...A, ...other }), holds(version, { ...A, ...other })]).toEqual([
        undefined,
        false,
      ]);
    });

    test.each<[string, ImagePin]>([
      ['gets one more image', { ...withImage, images: [...withImage.images, image('b', 'resolved')] }],
      ['is born again with another id', { ...withImage, id: '2' }],
      ['is that of other digests', { ...withImage, images: [image('a', 'adopted')] }],
      ['is that of another revision at its place', { ...withImage, revision: { ...A, kind: 'Job' } }],
    ])('holds no longer once it %s', (_what, later) => {
      memory.remember(withImage, memory.mark());
      const before = memory.version(A);
      memory.remember(later, memory.mark());
      expect(holds(before)).toBe(false);
      expect(holds(memory.version(later.revision), later.revision)).toBe(true);
    });

    test.each<[string, () => void]>([
      ['it was deleted', () => void forget('1')],
      ['deletions may be missed', () => memory.close()],
    ])('holds no longer once %s, nor when the pin comes back', (_what, end) => {
      memory.remember(withImage, memory.mark());
      const before = memory.version(A);
      end();
      expect([holds(before), memory.version(A)]).toEqual([false, undefined]);
      memory.open();
      memory.remember({ ...withImage, id: '3' }, memory.mark());
      expect(holds(before)).toBe(false);
    });
  });
});
