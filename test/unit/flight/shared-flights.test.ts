import { expect, test } from '@jest/globals';
import { SharedFlights } from '../../../src/flight/shared-flights.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

function held(): {
  work: (signal: AbortSignal) => Promise<string>;
  started: AbortSignal[];
  land: (text: string) => void;
  crash: (error: Error) => void;
} {
  const outcome = Promise.withResolvers<string>();
  const started: AbortSignal[] = [];
  const work = async (signal: AbortSignal): Promise<string> => {
    started.push(signal);
    return outcome.promise;
  };
  return { work, started, land: outcome.resolve, crash: outcome.reject };
}

test('whoever asks during a flight shares its outcome', async () => {
  const flights = new SharedFlights<string>();
  const { work, started, land } = held();
  const boarded: string[] = [];
  const joined = [1, 2, 3].map(() =>
    flights.join('key', work, noDeadline(), (boarding) => boarded.push(boarding)),
  );
  land('answer');
  expect(await Promise.all(joined)).toEqual(['answer', 'answer', 'answer']);
  expect(started).toHaveLength(1);
  expect(boarded).toEqual(['started', 'joined', 'joined']);
  expect(flights.size).toBe(0);
});

test('keys do not share', async () => {
  const flights = new SharedFlights<string>();
  expect(
    await Promise.all(['a', 'b'].map((key) => flights.join(key, async () => key, noDeadline()))),
  ).toEqual(['a', 'b']);
});

test('one caller may leave by its own signal while the others go on', async () => {
  const flights = new SharedFlights<string>();
  const { work, started, land } = held();
  const leaving = new AbortController();
  const left = flights.join('key', work, leaving.signal);
  const stayed = flights.join('key', work, noDeadline());
  leaving.abort(new Error('too late'));
  await expect(left).rejects.toThrow('too late');
  expect(started[0]?.aborted).toBe(false);
  land('answer');
  expect(await stayed).toBe('answer');
});

test('the work is aborted when the last caller has left, and the next caller gets work of its own', async () => {
  const flights = new SharedFlights<string>();
  const first = held();
  const leaving = new AbortController();
  const left = flights.join('key', first.work, leaving.signal);
  leaving.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  expect(first.started[0]?.aborted).toBe(true);
  expect(await flights.join('key', async () => 'new', noDeadline())).toBe('new');
  await settle();
  expect(flights.size).toBe(0);
});

test('a caller that comes in the very moment in which the last one leaves is never given their abandonment', async () => {
  for (let ticks = 0; ticks < 8; ticks += 1) {
    const flights = new SharedFlights<string>();
    const { work, land } = held();
    const leaving = new AbortController();
    const left = flights.join('key', work, leaving.signal).catch(() => 'left');
    leaving.abort();
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    const joined = flights.join('key', async () => 'an answer of its own', noDeadline());
    land('the answer they waited for');
    expect(await joined).toMatch(/answer/);
    expect(await left).toBe('left');
  }
});

test('a failure reaches everyone who waited, and nobody after them', async () => {
  const flights = new SharedFlights<string>();
  const { work, crash } = held();
  const joined = [1, 2].map(() => flights.join('key', work, noDeadline()));
  crash(new Error('broken'));
  for (const waiting of joined) await expect(waiting).rejects.toThrow('broken');
  expect(await flights.join('key', async () => 'well again', noDeadline())).toBe('well again');
});

function throwAtOnce(): Promise<string> {
  throw new Error('at once');
}

test('work that throws before it returns a promise is a failure like any other', async () => {
  const flights = new SharedFlights<string>();
  await expect(flights.join('key', throwAtOnce, noDeadline())).rejects.toThrow('at once');
  await settle();
  expect(flights.size).toBe(0);
});

test('a caller whose signal has ended already starts nothing', async () => {
  const flights = new SharedFlights<string>();
  const { work, started } = held();
  await expect(flights.join('key', work, AbortSignal.abort(new Error('over')))).rejects.toThrow('over');
  expect(started).toHaveLength(0);
});
