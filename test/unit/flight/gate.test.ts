import { expect, test } from '@jest/globals';
import { Gate, GateError } from '../../../src/flight/gate.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

/** Enters, and notes the name once inside. */
function enter(
  gate: Gate,
  size: number,
  inside: string[],
  name: string,
  signal = noDeadline(),
): Promise<() => void> {
  return gate.enter(size, signal).then((leave) => {
    inside.push(name);
    return leave;
  });
}

test('so much is inside at once, and the others wait in the order in which they came', async () => {
  const gate = new Gate({ capacity: 2, maxWaiting: 10 });
  const inside: string[] = [];
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => enter(gate, 1, inside, name));
  await settle();
  expect(inside).toEqual(['a', 'b']);
  expect(gate.waiting).toBe(2);
  (await b)?.();
  await settle();
  expect(inside).toEqual(['a', 'b', 'c']);
  (await a)?.();
  (await c)?.();
  (await d)?.();
  expect(inside).toEqual(['a', 'b', 'c', 'd']);
  expect([gate.inside, gate.waiting]).toEqual([0, 0]);
});

test('nothing small overtakes something large for ever', async () => {
  const gate = new Gate({ capacity: 10, maxWaiting: 10 });
  const inside: string[] = [];
  const first = await enter(gate, 6, inside, 'first');
  const large = enter(gate, 8, inside, 'large');
  const small = enter(gate, 1, inside, 'small');
  await settle();
  expect(inside).toEqual(['first']);
  first();
  await Promise.all([large, small]);
  expect(inside).toEqual(['first', 'large', 'small']);
  expect(gate.inside).toBe(9);
});

test('what is larger than the gate goes in alone', async () => {
  const gate = new Gate({ capacity: 10, maxWaiting: 10 });
  const leave = await gate.enter(1_000, noDeadline());
  expect(gate.inside).toBe(10);
  leave();
  expect(gate.inside).toBe(0);
});

test('whoever leaves twice makes room once', async () => {
  const gate = new Gate({ capacity: 2, maxWaiting: 10 });
  const leave = await gate.enter(1, noDeadline());
  await gate.enter(1, noDeadline());
  leave();
  leave();
  expect(gate.inside).toBe(1);
});

test('whoever has no more time leaves the line, and those behind move up', async () => {
  const gate = new Gate({ capacity: 10, maxWaiting: 10 });
  const inside: string[] = [];
  await gate.enter(6, noDeadline());
  const patience = new AbortController();
  const large = enter(gate, 8, inside, 'large', patience.signal);
  const small = enter(gate, 4, inside, 'small');
  patience.abort();
  await expect(large).rejects.toBeInstanceOf(GateError);
  await small;
  expect(inside).toEqual(['small']);
  expect(gate.waiting).toBe(0);
});

test('whoever has no time at all goes in where there is room, and is turned away where there is none', async () => {
  const gate = new Gate({ capacity: 1, maxWaiting: 10 });
  await gate.enter(1, AbortSignal.abort());
  await expect(gate.enter(1, AbortSignal.abort())).rejects.toBeInstanceOf(GateError);
  expect(gate.waiting).toBe(0);
});

test('when so many wait already, further ones are turned away at once', async () => {
  const gate = new Gate({ capacity: 1, maxWaiting: 2 });
  await gate.enter(1, noDeadline());
  const waiting = [gate.enter(1, noDeadline()), gate.enter(1, noDeadline())];
  await expect(gate.enter(1, noDeadline())).rejects.toBeInstanceOf(GateError);
  expect(waiting).toHaveLength(2);
  expect(gate.waiting).toBe(2);
});
