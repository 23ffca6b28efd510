import { beforeEach, describe, expect, test } from '@jest/globals';
import type { ImagePin, PinnedImage } from '../../../src/pins/image-pin.ts';
import { PinMemory } from '../../../src/pins/pin-memory.ts';
import { FakeClock } from '../../support/clock.ts';

const REVISION = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u', namespace: 'shop' };
const pin = (id: string): ImagePin => ({ revision: REVISION, images: [], id });
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

beforeEach(() => {
  clock = new FakeClock();
  memory = new PinMemory({ maxPins: 3, now: clock.now });
});

test('keeps nothing while nobody follows deletions', () => {
  memory.remember('a', pin('1'), memory.mark());
  expect(memory.get('a')).toBeUndefined();
  memory.open();
  expect(memory.get('a')).toBeUndefined();
});

test('does not keep what was read before deletions were followed: it may have been deleted in between', () => {
  const mark = memory.mark();
  memory.open();
  memory.remember('a', pin('1'), mark);
  expect(memory.get('a')).toBeUndefined();
});

describe('while deletions are followed', () => {
  beforeEach(() => memory.open());

  test('keeps what was read', () => {
    memory.remember('a', pin('1'), memory.mark());
    expect(memory.get('a')).toEqual(pin('1'));
  });

  test.each<[string, ImagePin]>([
    [
      'of a Deployment',
      { ...pin('1'), revision: { ...REVISION, workload: { kind: 'Deployment', name: 'w' } } },
    ],
    ['whose hash is nonsense', { ...pin('1'), revision: { ...REVISION, hash: 'a\n"b\\' } }],
    ['with images', { ...pin('1'), images: [image('a', 'resolved'), image('b', 'adopted')] }],
    ['with as many images as there can be', { ...pin('1'), images: Array.from({ length: 128 }, longImage) }],
  ])('keeps all of a pin %s, and gives it back at its deletion', (_what, whole) => {
    memory.remember('a', whole, memory.mark());
    expect(memory.get('a')).toEqual(whole);
    expect(memory.forget('1')).toEqual(whole);
  });

  test('forgets a pin that was deleted, and no other', () => {
    memory.remember('a', pin('1'), memory.mark());
    memory.remember('b', pin('2'), memory.mark());
    memory.forget('1');
    expect([memory.get('a'), memory.get('b')]).toEqual([undefined, pin('2')]);
  });

  test('does not keep a pin whose deletion came before it did', () => {
    const mark = memory.mark();
    memory.forget('1');
    memory.remember('a', pin('1'), mark);
    expect(memory.get('a')).toBeUndefined();
    memory.remember('a', pin('2'), mark);
    expect(memory.get('a')).toEqual(pin('2'));
  });

  test('does not keep what was read before a gap', () => {
    const mark = memory.mark();
    memory.close();
    memory.open();
    memory.remember('a', pin('1'), mark);
    expect(memory.get('a')).toBeUndefined();
  });

  test('is empty after a gap', () => {
    memory.remember('a', pin('1'), memory.mark());
    memory.close();
    expect([memory.get('a'), memory.size]).toEqual([undefined, 0]);
  });

  test('knows the pin of a revision that got a new one, by its new id', () => {
    memory.remember('a', pin('1'), memory.mark());
    memory.remember('a', pin('2'), memory.mark());
    memory.forget('1');
    expect(memory.get('a')).toEqual(pin('2'));
    memory.forget('2');
    expect(memory.get('a')).toBeUndefined();
  });

  test('is bounded, however many pins there are', () => {
    for (let index = 0; index < 1_000; index += 1)
      memory.remember(`k${index}`, pin(`id${index}`), memory.mark());
    expect(memory.size).toBe(3);
    for (let index = 0; index < 1_000; index += 1) memory.forget(`id${index}`);
    expect(memory.size).toBe(0);
  });
});
