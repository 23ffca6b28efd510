import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Deadline, decisionTimeMs, parseDurationMs } from '../../../src/admission/deadline.ts';
import { DeadlineError } from '../../../src/admission/failure.ts';

const NO_LIMIT_MS = Number.MAX_SAFE_INTEGER;

describe('a Go duration', () => {
  test.each([
    ['5s', 5_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1h', 3_600_000],
    ['1.5s', 1_500],
    ['1h2m3s4ms', 3_723_004],
    ['30000us', 30],
    ['30000µs', 30],
    ['1000000ns', 1],
    ['10s', 10_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBeCloseTo(ms, 9);
  });

  test.each([
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s ',
    '-5s',
    '1e3s',
    '5S',
    '5d',
    '5s!',
    'Infinitys',
    'NaNs',
    '5s\n',
    '0s',
    '0h0m0s',
    '1'.repeat(31) + 'ss',
    '9'.repeat(400) + 's',
    '1s'.repeat(100_000),
  ])('is not %.40j', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });
});

describe('the time for a decision', () => {
  test.each([
    ['5s', 4_000],
    ['500ms', 400],
    ['1m30s', 89_000],
    ['10s', 9_000],
  ])('with timeout=%s is less by a fifth, but by at most a second', (timeout, ms) => {
    expect(decisionTimeMs(timeout, NO_LIMIT_MS)).toBeCloseTo(ms, 9);
  });

  test.each([undefined, '', 'soon', '-5s', '0s', ['5s', '1s'], { a: '5s' }, 5, null])(
    'with timeout=%j is that of the default of ten seconds',
    (timeout) => {
      expect(decisionTimeMs(timeout, NO_LIMIT_MS)).toBe(9_000);
    },
  );

  test.each(['30s', '10000h', '9'.repeat(31) + 's', undefined])(
    'with timeout=%s is never above the maximum',
    (timeout) => {
      expect(decisionTimeMs(timeout, 3_000)).toBe(3_000);
    },
  );

  test('is below the maximum where the API server allows less', () => {
    expect(decisionTimeMs('1s', 3_000)).toBe(800);
  });
});

describe('a deadline', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('ends its signal with a DeadlineError when the time is over, not before', () => {
    const { signal } = new Deadline(3_000);
    jest.advanceTimersByTime(2_999);
    expect(signal.aborted).toBe(false);
    jest.advanceTimersByTime(1);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(DeadlineError);
    expect(signal.reason).toMatchObject({ code: 'deadline', message: 'no decision after 3000 ms' });
  });

  test('ends its signal with a DeadlineError at once when the caller has gone', () => {
    const deadline = new Deadline(3_000);
    deadline.callerGone();
    expect(deadline.signal.reason).toBeInstanceOf(DeadlineError);
    expect(deadline.signal.reason).toMatchObject({ message: 'the API server went away' });
  });

  test('keeps its first reason', () => {
    const deadline = new Deadline(3_000);
    deadline.callerGone();
    jest.advanceTimersByTime(3_000);
    expect(deadline.signal.reason).toMatchObject({ message: 'the API server went away' });
  });

  test('holds no timer and never ends once it is done', () => {
    const deadline = new Deadline(3_000);
    deadline.done();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(10_000);
    expect(deadline.signal.aborted).toBe(false);
  });

  test('of no time at all, or less, ends as soon as it can', () => {
    const { signal } = new Deadline(-5);
    jest.advanceTimersByTime(1);
    expect(signal.reason).toBeInstanceOf(DeadlineError);
    expect(signal.reason).toMatchObject({ message: 'no decision after 0 ms' });
  });
});
