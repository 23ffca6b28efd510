import { beforeEach, describe, expect, test } from '@jest/globals';
import type { OwnerEvent } from '../../../src/admission/owner-event.ts';
import { EventCorrelator, type CorrelatedEvent } from '../../../src/kubernetes/event-correlator.ts';
import { FakeClock } from '../../support/clock.ts';
import { heldBytes } from '../../support/heap.ts';

// The numbers are those of client-go's EventCorrelator (tools/record/events_cache.go).

const EVENT: OwnerEvent = {
  namespace: 'shop',
  owner: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d8f', uid: 'u' },
  type: 'Warning',
  reason: 'ImageRefused',
  message: 'refused',
};
const MINUTE = 60_000;
let clock: FakeClock;
let correlator: EventCorrelator;

beforeEach(() => {
  clock = new FakeClock();
  correlator = new EventCorrelator({ now: clock.now, date: clock.date });
});

function observe(change: Partial<OwnerEvent> = {}, times?: number): CorrelatedEvent | undefined {
  return correlator.observe({ ...EVENT, ...change }, times);
}

/** How many of so many tries are written. */
function writtenOf(tries: number): number {
  return Array.from({ length: tries }, () => observe()).filter((event) => event !== undefined).length;
}

describe('the same event again', () => {
  test('raises the count of the first one', () => {
    const first = observe();
    expect(first).toMatchObject({ ...EVENT, count: 1, isNew: true, firstAt: clock.date() });
    expect(first?.name).toMatch(/^web-5d8f\.[0-9a-f]{16}$/);
    clock.advance(MINUTE);
    expect(observe()).toEqual({ ...first, count: 2, isNew: false });
    expect(observe({}, 40)).toEqual({ ...first, count: 42, isNew: false });
  });

  test('is a new one after an hour, when the API server has forgotten the first', () => {
    const first = observe();
    clock.advance(60 * MINUTE + 1);
    const later = observe();
    expect(later).toMatchObject({ count: 1, isNew: true });
    expect(later?.name).not.toBe(first?.name);
  });

  test.each<[string, Partial<OwnerEvent>]>([
    ['another namespace', { namespace: 'other' }],
    ['another uid', { owner: { ...EVENT.owner, uid: 'v' } }],
    ['another reason', { reason: 'TagMoved' }],
    ['another message', { message: 'refused otherwise' }],
  ])('is another event in %s', (_what, change) => {
    observe();
    expect(observe(change)).toMatchObject({ count: 1, isNew: true });
  });
});

describe('events that differ in their message alone', () => {
  test('share one from the tenth on', () => {
    for (let index = 1; index < 10; index += 1) {
      expect(observe({ message: `pod ${index}` })).toMatchObject({ message: `pod ${index}`, isNew: true });
    }
    const tenth = observe({ message: 'pod 10' });
    expect(tenth).toMatchObject({
      message: '(combined from similar events): pod 10',
      count: 1,
      isNew: true,
    });
    expect(observe({ message: 'pod 11' })).toMatchObject({
      name: tenth?.name,
      message: '(combined from similar events): pod 11',
      count: 2,
      isNew: false,
    });
  });

  test('are told apart again after ten quiet minutes', () => {
    for (let index = 0; index < 12; index += 1) observe({ message: `pod ${index}` });
    clock.advance(10 * MINUTE + 1);
    expect(observe({ message: 'pod 13' })).toMatchObject({ message: 'pod 13', isNew: true });
  });

  test('do not mix with those of another reason', () => {
    for (let index = 0; index < 12; index += 1) observe({ message: `pod ${index}` });
    expect(observe({ reason: 'TagMoved', message: 'moved' })).toMatchObject({ message: 'moved' });
  });
});

describe('one object', () => {
  test('gets 25 writes at once, and one more every five minutes', () => {
    expect(writtenOf(1_000)).toBe(25);
    clock.advance(5 * MINUTE - 1);
    expect(writtenOf(10)).toBe(0);
    clock.advance(1);
    expect(writtenOf(10)).toBe(1);
    clock.advance(24 * 60 * MINUTE);
    expect(writtenOf(1_000)).toBe(25);
  });

  test('that has had enough does not silence another, nor its own normal events', () => {
    for (let index = 0; index < 100; index += 1) observe();
    expect(observe()).toBeUndefined();
    expect(observe({ owner: { ...EVENT.owner, uid: 'v' } })).toBeDefined();
    expect(observe({ type: 'Normal' })).toBeDefined();
  });

  test('has what was not written in its count once it is written again', () => {
    for (let index = 0; index < 100; index += 1) observe();
    clock.advance(5 * MINUTE);
    expect(observe()).toMatchObject({ count: 101 });
  });
});

describe('what is written', () => {
  test('is a message of 1,024 bytes at most, cut between characters', () => {
    for (const message of ['x'.repeat(5_000), 'ä'.repeat(5_000), '😀'.repeat(5_000), 'a😀'.repeat(999)]) {
      const written = observe({ message })?.message ?? '';
      expect(Buffer.byteLength(written)).toBeLessThanOrEqual(1_024);
      expect(Buffer.byteLength(written)).toBeGreaterThan(1_010);
      expect(written.isWellFormed()).toBe(true);
      expect(written).not.toContain('\ufffd');
      expect(message.startsWith(written.slice(0, -1))).toBe(true);
    }
  });

  test('cannot steer the terminal of whoever describes the owner', () => {
    const message = 'x\u001B[2J\u009B31m\r\nImagePinned\u202E\u2028: "img"';
    expect(observe({ message })?.message).toBe('x [2J 31m  ImagePinned  : "img"');
  });

  test.each(['a'.repeat(253), `${'a'.repeat(229)}-${'b'.repeat(20)}`, `${'a.'.repeat(120)}a`])(
    'has a name that Kubernetes takes, whatever the owner is called',
    (name) => {
      const event = observe({ owner: { ...EVENT.owner, name } });
      expect(event?.name.length).toBeLessThanOrEqual(253);
      expect(event?.name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
    },
  );

  test('stays bounded, however many objects there are', () => {
    for (let index = 0; index < 20_000; index += 1) observe({ owner: { ...EVENT.owner, uid: `${index}` } });
    // The first ones are forgotten, and begin anew.
    expect(observe({ owner: { ...EVENT.owner, uid: '0' } })).toMatchObject({ count: 1, isNew: true });
    expect(observe({ owner: { ...EVENT.owner, uid: '19999' } })).toMatchObject({ count: 2, isNew: false });
  });

  test('is not remembered word for word, however many long messages many objects have', () => {
    const before = heldBytes();
    for (let index = 0; index < 2_000; index += 1) {
      const owner = { ...EVENT.owner, uid: `${index}` };
      for (let message = 0; message < 9; message += 1) {
        observe({ owner, message: `${message} of ${index}: ${'x'.repeat(2_000)}` });
      }
    }
    expect(observe({ owner: { ...EVENT.owner, uid: '0' } })).toBeDefined();
    expect(heldBytes() - before).toBeLessThan(25_000_000);
  });
});
