import { expect, test } from '@jest/globals';
import { AnswerTooLargeError } from '../../../src/kubernetes/api-transport.ts';
import { PageSize } from '../../../src/kubernetes/page-size.ts';

/** Pages of up to so many objects fit. */
function fitting(most: number, asked: number[]): (limit: number) => Promise<number> {
  return async (limit) => {
    asked.push(limit);
    if (limit > most) throw new AnswerTooLargeError('too large');
    return limit;
  };
}

test('a page that fits is asked for once', async () => {
  const asked: number[] = [];
  expect(await new PageSize(50).read(fitting(50, asked))).toBe(50);
  expect(asked).toEqual([50]);
});

test('one that is too large is asked for in smaller parts, and so are those after it', async () => {
  const asked: number[] = [];
  const size = new PageSize(200);
  await size.read(fitting(3, asked));
  await size.read(fitting(3, asked));
  expect(asked).toEqual([200, 20, 2, 2]);
});

test('an object that is too large alone is an error', async () => {
  const asked: number[] = [];
  await expect(new PageSize(50).read(fitting(0, asked))).rejects.toThrow('too large');
  expect(asked).toEqual([50, 5, 1]);
});

test('another error is not tried again', async () => {
  let asked = 0;
  const failing = async (): Promise<never> => {
    asked += 1;
    throw new Error('down');
  };
  await expect(new PageSize(50).read(failing)).rejects.toThrow('down');
  expect(asked).toBe(1);
});
