import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { untilAborted } from '../../../src/flight/until-aborted.ts';

const reason = new Error('enough');
const never = new Promise<never>(() => {});

test('gives what the work gives, and throws what it throws', async () => {
  const { signal } = new AbortController();
  await expect(untilAborted(Promise.resolve(7), signal)).resolves.toBe(7);
  await expect(untilAborted(Promise.reject(reason), signal)).rejects.toBe(reason);
});

test('ends with the reason of a signal that is aborted meanwhile, or was before', async () => {
  const given = new AbortController();
  const waiting = untilAborted(never, given.signal);
  given.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(untilAborted(never, given.signal)).rejects.toBe(reason);
});

test('leaves no listener at the signal, and hears of no failure that comes later', async () => {
  const given = new AbortController();
  const late = Promise.withResolvers<never>();
  await untilAborted(Promise.resolve(), given.signal);
  const waiting = untilAborted(late.promise, given.signal);
  given.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  late.reject(new Error('later'));
  expect(getEventListeners(given.signal, 'abort')).toEqual([]);
});
