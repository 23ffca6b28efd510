import { beforeEach, describe, expect, test } from '@jest/globals';
import { Waits, waitingFor } from '../../../src/telemetry/waits.ts';
import { FakeClock } from '../../support/clock.ts';

let clock: FakeClock;
let waits: Waits;

beforeEach(() => {
  clock = new FakeClock();
  waits = new Waits(clock.now);
});

/** Work that ends when the test says so. */
function work(): { promise: Promise<void>; end: () => Promise<void>; fail: () => Promise<void> } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return {
    promise,
    end: async () => {
      resolve();
      await promise;
      await Promise.resolve();
    },
    fail: async () => {
      reject(new Error('failed'));
      await promise.catch(() => {});
      await Promise.resolve();
    },
  };
}

describe('the waits of an admission', () => {
  test('are none where nobody was waited for', () => {
    clock.advance(50);
    expect(waits.waited).toEqual({ api: undefined, registry: undefined });
  });

  test('count from the beginning of the work to its end, and to now while it lasts', async () => {
    const get = work();
    const waiting = waits.during('api', get.promise);
    clock.advance(10);
    expect(waits.waited).toEqual({ api: 10, registry: undefined });
    clock.advance(20);
    await get.end();
    await waiting;
    clock.advance(100);
    expect(waits.waited).toEqual({ api: 30, registry: undefined });
  });

  test('count when the work fails, too, and the failure is thrown on', async () => {
    const get = work();
    const waiting = waits.during('registry', get.promise);
    clock.advance(7);
    await get.fail();
    await expect(waiting).rejects.toThrow('failed');
    clock.advance(100);
    expect(waits.waited).toEqual({ api: undefined, registry: 7 });
  });

  test('for the same that overlap count once', async () => {
    const [first, second] = [work(), work()];
    const waiting = [waits.during('registry', first.promise), waits.during('registry', second.promise)];
    clock.advance(10);
    await first.end();
    clock.advance(5);
    await second.end();
    await Promise.all(waiting);
    expect(waits.waited.registry).toBe(15);
  });

  test('for both at once are the registry’s, so that the parts add up to the time that passed', async () => {
    const [list, head] = [work(), work()];
    const waiting = [waits.during('api', list.promise), waits.during('registry', head.promise)];
    clock.advance(10);
    await head.end();
    clock.advance(25);
    await list.end();
    await Promise.all(waiting);
    expect(waits.waited).toEqual({ api: 25, registry: 10 });
  });

  test('need nobody who wants to know of them', async () => {
    await expect(waitingFor('api', undefined, Promise.resolve('answer'))).resolves.toBe('answer');
  });
});

describe('work that several admissions share', () => {
  test('counts for each of them from when it joined, in the parts that the work itself waits for', async () => {
    const shared = waits.another();
    const [get, head, whole] = [work(), work(), work()];
    const first = waits.with(shared, whole.promise);
    const getting = shared.during('api', get.promise);
    clock.advance(10);
    const late = new Waits(clock.now);
    const second = late.with(shared, whole.promise);
    clock.advance(3);
    await get.end();
    clock.advance(100);
    const asking = shared.during('registry', head.promise);
    clock.advance(20);
    await head.end();
    await whole.end();
    await Promise.all([first, second, getting, asking]);
    expect(waits.waited).toEqual({ api: 13, registry: 20 });
    expect(late.waited).toEqual({ api: 3, registry: 20 });
  });

  test('counts no longer for one that left by its deadline', async () => {
    const shared = waits.another();
    const [head, patience] = [work(), work()];
    const leaving = waits.with(shared, patience.promise);
    const asking = shared.during('registry', head.promise);
    clock.advance(30);
    await patience.fail();
    await expect(leaving).rejects.toThrow('failed');
    clock.advance(1_000);
    await head.end();
    await asking;
    expect(waits.waited).toEqual({ api: undefined, registry: 30 });
  });

  test('overlaps with what an admission waits for beside it without counting twice', async () => {
    const shared = waits.another();
    const [birth, follow] = [work(), work()];
    const waiting = [
      waits.with(shared, shared.during('registry', birth.promise)),
      waits.during('registry', follow.promise),
    ];
    clock.advance(10);
    await birth.end();
    clock.advance(2);
    await follow.end();
    await Promise.all(waiting);
    expect(waits.waited.registry).toBe(12);
  });
});
