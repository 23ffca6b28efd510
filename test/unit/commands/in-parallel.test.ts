import { expect, test } from '@jest/globals';
import { inParallel } from '../../../src/commands/in-parallel.ts';
import { settle } from '../../support/settle.ts';

/** Work that ends when a test says so. */
class HeldWork {
  readonly begun: number[] = [];
  readonly #ends = new Map<number, PromiseWithResolvers<string>>();

  readonly do = (item: number): Promise<string> => {
    this.begun.push(item);
    const end = Promise.withResolvers<string>();
    this.#ends.set(item, end);
    return end.promise;
  };

  async end(item: number): Promise<void> {
    this.#ends.get(item)?.resolve(`done ${item}`);
    await settle();
  }

  async fail(item: number): Promise<void> {
    this.#ends.get(item)?.reject(new Error(`failed ${item}`));
    await settle();
  }
}

test('no more items than the limit are worked on, and the next one begins when any of them ends', async () => {
  const work = new HeldWork();
  void inParallel([1, 2, 3, 4, 5], 2, work.do);
  expect(work.begun).toEqual([1, 2]);
  await work.end(2);
  expect(work.begun).toEqual([1, 2, 3]);
  await work.end(3);
  await work.end(1);
  expect(work.begun).toEqual([1, 2, 3, 4, 5]);
});

test('each outcome is there as soon as it is, in the order of the items', async () => {
  const work = new HeldWork();
  const outcomes = inParallel([1, 2, 3], 3, work.do);
  await work.end(2);
  await expect(outcomes[1]).resolves.toBe('done 2');
  await work.end(3);
  await work.end(1);
  expect(await Promise.all(outcomes)).toEqual(['done 1', 'done 2', 'done 3']);
});

test('a failure is that of its item; the others go on', async () => {
  const work = new HeldWork();
  const outcomes = inParallel([1, 2, 3], 2, work.do);
  await work.fail(1);
  await work.end(2);
  await work.end(3);
  await expect(outcomes[0]).rejects.toThrow('failed 1');
  expect(await Promise.all(outcomes.slice(1))).toEqual(['done 2', 'done 3']);
});

test('of nothing there is nothing to do', () => {
  expect(inParallel([], 8, new HeldWork().do)).toEqual([]);
});
