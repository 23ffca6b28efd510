import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Gathering } from '../../../src/telemetry/gathering.ts';

let handed: (readonly number[])[];
let gathering: Gathering<number>;

beforeEach(() => {
  jest.useFakeTimers();
  handed = [];
  gathering = new Gathering({ max: 3, waitMs: 10, handOn: (things) => void handed.push(things) });
});

afterEach(() => {
  jest.useRealTimers();
});

test('what comes within the time is handed on together, in its order', () => {
  gathering.add(1);
  jest.advanceTimersByTime(9);
  gathering.add(2);
  expect(handed).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(handed).toEqual([[1, 2]]);
  gathering.add(3);
  jest.advanceTimersByTime(10);
  expect(handed).toEqual([[1, 2], [3]]);
});

test('as many as there may be are handed on at once', () => {
  for (const thing of [1, 2, 3, 4]) gathering.add(thing);
  expect(handed).toEqual([[1, 2, 3]]);
  jest.advanceTimersByTime(10);
  expect(handed).toEqual([[1, 2, 3], [4]]);
});

test('what was gathered is handed on when somebody asks for it, and only once', () => {
  gathering.flush();
  gathering.add(1);
  gathering.flush();
  gathering.flush();
  jest.advanceTimersByTime(100);
  expect(handed).toEqual([[1]]);
});

test('what is added while others are handed on comes after them', () => {
  const again = new Gathering<number>({
    max: 2,
    waitMs: 10,
    handOn: (things) => {
      handed.push(things);
      if (things.includes(1)) again.add(3);
    },
  });
  again.add(1);
  again.add(2);
  jest.advanceTimersByTime(10);
  expect(handed).toEqual([[1, 2], [3]]);
});

test('nothing is left to keep a process alive once all was handed on', () => {
  gathering.add(1);
  gathering.flush();
  expect(jest.getTimerCount()).toBe(0);
});
