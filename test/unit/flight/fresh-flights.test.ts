import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { FreshFlights } from '../../../src/flight/fresh-flights.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

/** Work whose every run the test lands by hand. */
class Runway {
  readonly #runs: PromiseWithResolvers<string>[] = [];
  readonly signals: AbortSignal[] = [];

  readonly work = async (signal: AbortSignal): Promise<string> => {
    const run = Promise.withResolvers<string>();
    this.#runs.push(run);
    this.signals.push(signal);
    return run.promise;
  };

  get started(): number {
    return this.#runs.length;
  }

  land(run: number, text: string): void {
    this.#runs[run]?.resolve(text);
  }

  crash(run: number): void {
    this.#runs[run]?.reject(new Error(`run ${run} crashed`));
  }
}

test('whoever asks during a flight waits for the next one, which all of them share', async () => {
  const flights = new FreshFlights<string>();
  const runway = new Runway();
  const boarded: string[] = [];
  const ask = (): Promise<string> =>
    flights.join('key', runway.work, noDeadline(), (how) => boarded.push(how));
  const first = ask();
  const others = [ask(), ask(), ask()];
  expect(runway.started).toBe(1);
  runway.land(0, 'old');
  expect(await first).toBe('old');
  await settle();
  expect(runway.started).toBe(2);
  runway.land(1, 'new');
  expect(await Promise.all(others)).toEqual(['new', 'new', 'new']);
  expect(boarded).toEqual(['started', 'started', 'joined', 'joined']);
  await settle();
  expect(flights.size).toBe(0);
});

test('the next flight starts also when the one before it failed', async () => {
  const flights = new FreshFlights<string>();
  const runway = new Runway();
  const first = flights.join('key', runway.work, noDeadline());
  const second = flights.join('key', runway.work, noDeadline());
  runway.crash(0);
  await expect(first).rejects.toThrow('run 0 crashed');
  await settle();
  runway.land(1, 'new');
  expect(await second).toBe('new');
});

test('a next flight that everyone has given up is not flown', async () => {
  const flights = new FreshFlights<string>();
  const runway = new Runway();
  const first = flights.join('key', runway.work, noDeadline());
  const leaving = new AbortController();
  const left = flights.join('key', runway.work, leaving.signal);
  leaving.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  runway.land(0, 'answer');
  expect(await first).toBe('answer');
  await settle();
  expect(runway.started).toBe(1);
  expect(flights.size).toBe(0);
});

test('who asks after the next flight was given up gets a next flight all the same', async () => {
  const flights = new FreshFlights<string>();
  const runway = new Runway();
  const first = flights.join('key', runway.work, noDeadline());
  const leaving = new AbortController();
  const left = flights.join('key', runway.work, leaving.signal);
  leaving.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  const late = flights.join('key', runway.work, noDeadline());
  runway.land(0, 'old');
  await first;
  await settle();
  runway.land(1, 'new');
  expect(await late).toBe('new');
});

test('a flight that hangs is aborted when its callers leave, and the next one starts', async () => {
  const flights = new FreshFlights<string>();
  const runway = new Runway();
  const leaving = new AbortController();
  const hung = flights.join('key', runway.work, leaving.signal);
  const next = flights.join('key', runway.work, noDeadline());
  leaving.abort(new Error('deadline'));
  await expect(hung).rejects.toThrow('deadline');
  expect(runway.signals[0]?.aborted).toBe(true);
  await settle();
  runway.land(1, 'answer');
  expect(await next).toBe('answer');
});

test('the running flight can be joined by those to whom an earlier question is good enough', async () => {
  const flights = new FreshFlights<string>();
  const runway = new Runway();
  const first = flights.join('key', runway.work, noDeadline());
  const joined = flights.running('key')?.join(noDeadline());
  runway.land(0, 'answer');
  expect(await Promise.all([first, joined])).toEqual(['answer', 'answer']);
  await settle();
  expect(flights.running('key')).toBeUndefined();
});

test('property: whatever the order of events, an answer comes from work started after the question, one at a time', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
      async (scheduler, leaves) => {
        const flights = new FreshFlights<number>();
        let clock = 0;
        let running = 0;
        const work = async (signal: AbortSignal): Promise<number> => {
          const startedAt = (clock += 1);
          running += 1;
          expect(running).toBe(1);
          let ended = false;
          const end = (): void => {
            if (!ended) running -= 1;
            ended = true;
          };
          signal.addEventListener('abort', end);
          await scheduler.schedule(Promise.resolve());
          end();
          return startedAt;
        };
        const asked = leaves.map(async (leave) => {
          await scheduler.schedule(Promise.resolve());
          const askedAt = (clock += 1);
          const controller = new AbortController();
          const joined = flights.join('key', work, controller.signal);
          if (!leave) return { askedAt, answer: await joined };
          const outcome = joined.catch((error: unknown) => error);
          await scheduler.schedule(Promise.resolve());
          const reason = new Error('left');
          controller.abort(reason);
          const answer = await outcome;
          return { askedAt, answer: answer === reason ? Infinity : answer };
        });
        const answers = await scheduler.waitFor(Promise.all(asked));
        for (const { askedAt, answer } of answers) expect(answer).toBeGreaterThan(askedAt);
        await settle();
        expect(flights.size).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
