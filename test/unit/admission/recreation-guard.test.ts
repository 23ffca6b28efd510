import { beforeEach, describe, expect, test } from '@jest/globals';
import { RecreationGuard, type NamedPod } from '../../../src/admission/recreation-guard.ts';
import { FakeClock } from '../../support/clock.ts';
import { noDeadline } from '../../support/signals.ts';

const POD: NamedPod = {
  namespace: 'shop',
  name: 'db-0',
  owner: { apiVersion: 'example.com/v1', kind: 'Database', name: 'db', uid: 'u' },
  revision: undefined,
};
let clock: FakeClock;
let lives: number | Error;
let asked: number;
let left: NamedPod[];

beforeEach(() => {
  clock = new FakeClock();
  lives = 100;
  asked = 0;
  left = [];
});

async function count(): Promise<number> {
  asked += 1;
  if (lives instanceof Error) throw lives;
  return lives;
}

function guard(options: { maxRecreations?: number; lives?: undefined } = {}): RecreationGuard {
  return new RecreationGuard({
    maxRecreations: 3,
    withinMs: 30_000,
    lives: { count },
    onLeftAlone: (pod) => void left.push(pod),
    now: clock.now,
    ...options,
  });
}

/** Creates the Pod so often, with this time between, and says when it was left alone. */
async function create(by: RecreationGuard, times: number, pauseMs = 1_000, pod = POD): Promise<boolean[]> {
  const answers = [];
  for (let time = 0; time < times; time += 1) {
    answers.push(await by.shouldLeave(pod, noDeadline()));
    clock.advance(pauseMs);
  }
  return answers;
}

test('a Pod that comes back again and again right after it was pinned is left alone, which is told once', async () => {
  expect(await create(guard(), 6)).toEqual([false, false, false, true, true, true]);
  expect(left).toEqual([POD]);
  expect(asked).toBe(1);
});

describe('a Pod is pinned on where', () => {
  test('it lived longer in between', async () => {
    expect(await create(guard(), 10, 30_001)).toEqual(Array.from({ length: 10 }, () => false));
  });

  test('it never really lived: its creation was only tried again', async () => {
    lives = 0;
    expect(await create(guard(), 20)).toEqual(Array.from({ length: 20 }, () => false));
    expect(left).toEqual([]);
  });

  test('the cluster does not answer', async () => {
    lives = new Error('down');
    expect(await create(guard(), 20)).not.toContain(true);
  });

  test('the guard is switched off, or there is no cluster to ask', async () => {
    expect(await create(guard({ maxRecreations: 0 }), 20)).not.toContain(true);
    expect(await create(guard({ lives: undefined }), 20)).not.toContain(true);
  });

  test('each life is a replica of another revision: somebody rolls out again and again', async () => {
    const by = guard();
    for (let index = 0; index < 20; index += 1) {
      expect(await create(by, 1, 1, { ...POD, revision: `shop/db/${index}` })).toEqual([false]);
    }
  });

  test('they are different Pods', async () => {
    const by = guard();
    for (let index = 0; index < 20; index += 1) {
      expect(await create(by, 1, 1, { ...POD, name: `db-${index}` })).toEqual([false]);
      expect(await create(by, 1, 1, { ...POD, owner: { ...POD.owner, uid: `u${index}` } })).toEqual([false]);
    }
  });
});

test('a Pod that was left alone is tried again after an hour without it', async () => {
  const by = guard();
  await create(by, 4);
  clock.advance(59 * 60_000);
  expect(await create(by, 1)).toEqual([true]);
  clock.advance(60 * 60_000 + 1);
  expect(await create(by, 1)).toEqual([false]);
});
