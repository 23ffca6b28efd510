import { beforeEach, describe, expect, test } from '@jest/globals';
import { Breakers, type Question } from '../../../src/registry/breaker.ts';
import { RegistryError, type RegistryErrorCode } from '../../../src/registry/errors.ts';
import { FakeClock } from '../../support/clock.ts';

let clock: FakeClock;
let breakers: Breakers;
let open: Map<string, number>;
let deniedFast: number;
/** How often the registry was really asked. */
let asked: number;

beforeEach(() => {
  clock = new FakeClock();
  open = new Map();
  deniedFast = 0;
  asked = 0;
  breakers = new Breakers({
    maxBreakers: 100,
    onBreaker: (registry, change) => open.set(registry, (open.get(registry) ?? 0) + change),
    onDeniedFast: () => (deniedFast += 1),
    now: clock.now,
  });
});

const WEB: Question = { registry: 'r.test', repository: 'shop/web', who: 'anonymous' };
const API: Question = { ...WEB, repository: 'shop/api' };
const DB: Question = { ...WEB, repository: 'shop/db' };

async function ask(question: Question, code?: RegistryErrorCode, retryAfterMs?: number): Promise<string> {
  const work = async (): Promise<string> => {
    asked += 1;
    if (code !== undefined) throw new RegistryError(code, 'played', { registry: 'r.test', retryAfterMs });
    return 'answered';
  };
  return breakers.guard(question, work).catch((error: unknown) => {
    if (!(error instanceof RegistryError)) throw error;
    return error.asked ? `asked: ${error.code}` : `not asked: ${error.code}`;
  });
}

async function failThrice(...questions: Question[]): Promise<void> {
  for (let index = 0; index < 3; index += 1)
    await ask(questions[index % questions.length] ?? WEB, 'unreachable');
}

describe('a breaker', () => {
  test('opens after three failures in a row, and then denies without asking', async () => {
    await failThrice(WEB);
    expect(await ask(WEB)).toBe('not asked: unreachable');
    expect(asked).toBe(3);
    expect(deniedFast).toBe(1);
    expect(open.get('r.test')).toBe(1);
  });

  test('stays closed where successes come between', async () => {
    await ask(WEB, 'unreachable');
    await ask(WEB, 'unreachable');
    await ask(WEB);
    await ask(WEB, 'unreachable');
    await ask(WEB, 'unreachable');
    expect(await ask(WEB)).toBe('answered');
  });

  test.each([
    'denied',
    'not_found',
    'policy',
    'certificate',
    'forbidden_address',
    'schema1',
    'invalid_answer',
  ] as const)('is not opened by %s, however often', async (code) => {
    for (let index = 0; index < 20; index += 1) await ask(WEB, code);
    expect(await ask(WEB)).toBe('answered');
    expect(breakers.size).toBe(0);
  });

  test('lets one question through after its time, which closes it where it is answered', async () => {
    await failThrice(WEB, API);
    clock.advance(5_000);
    const probe = Promise.withResolvers<string>();
    const probing = breakers.guard(WEB, () => probe.promise);
    expect(await ask(API)).toBe('not asked: unreachable');
    probe.resolve('back');
    expect(await probing).toBe('back');
    expect(await ask(API)).toBe('answered');
    expect(open.get('r.test')).toBe(0);
  });

  test('opens again where that one fails', async () => {
    await failThrice(WEB);
    clock.advance(5_000);
    expect(await ask(WEB, 'unreachable')).toBe('asked: unreachable');
    expect(await ask(WEB)).toBe('not asked: unreachable');
    expect(open.get('r.test')).toBe(1);
  });

  test('lets the next one through where that one was given up before it said anything', async () => {
    await failThrice(WEB);
    clock.advance(5_000);
    const leaving = breakers.guard(WEB, () => Promise.reject(new Error('nobody waits any more')));
    await expect(leaving).rejects.toThrow('nobody waits');
    expect(await ask(WEB)).toBe('answered');
  });

  test('takes a question that was given up after a second without an answer for a time-out', async () => {
    for (let index = 0; index < 3; index += 1) {
      const waiting = breakers.guard(WEB, async () => {
        clock.advance(1_000);
        throw new Error('the deadline');
      });
      await expect(waiting).rejects.toThrow('the deadline');
    }
    expect(await ask(WEB)).toBe('not asked: unreachable');
  });
});

describe('who is denied', () => {
  test('not other repositories, where one alone fails', async () => {
    await failThrice(WEB);
    expect(await ask(API)).toBe('answered');
  });

  test('every repository, where more than one fails', async () => {
    await failThrice(WEB, API);
    expect(await ask(DB)).toBe('not asked: unreachable');
  });

  test('never another registry', async () => {
    await failThrice(WEB, API);
    expect(await ask({ ...WEB, registry: 'other.test' })).toBe('answered');
  });

  test('at a 429 at once, for as long as it says, whoever was throttled', async () => {
    await ask(WEB, 'throttled', 30_000);
    clock.advance(29_999);
    expect(await ask(API)).toBe('not asked: throttled');
    clock.advance(1);
    expect(await ask(API)).toBe('answered');
  });

  test('not other accounts, where one is throttled', async () => {
    await ask({ ...WEB, who: 'tenant-a' }, 'throttled', 30_000);
    expect(await ask({ ...WEB, who: 'tenant-a' })).toBe('not asked: throttled');
    expect(await ask({ ...WEB, who: 'tenant-b' })).toBe('answered');
  });

  test('for five minutes at most, whatever a registry says, and five seconds where it says nothing', async () => {
    await ask(WEB, 'throttled', 1e9);
    clock.advance(5 * 60_000);
    expect(await ask(WEB, 'throttled')).toBe('asked: throttled');
    clock.advance(5_000);
    expect(await ask(WEB)).toBe('answered');
  });
});

test('breakers are bounded, and one that is forgotten counts as open no more', async () => {
  for (let index = 0; index < 300; index += 1) await failThrice({ ...WEB, registry: `r${index}.test` });
  expect(breakers.size).toBeLessThanOrEqual(100);
  expect([...open.values()].reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(100);
});
