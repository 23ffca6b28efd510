import { expect, test } from '@jest/globals';
import { GrowingBytes } from '../../../src/flight/growing-bytes.ts';

class TooManyError extends Error {}
const tooMany = (): Error => new TooManyError();

function growing(maxBytes: number): { readonly bytes: GrowingBytes; readonly reserved: number[] } {
  const reserved: number[] = [];
  return {
    bytes: new GrowingBytes({ maxBytes, reserve: (more) => void reserved.push(more), tooMany }),
    reserved,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

test('what comes in one piece is kept as it is', () => {
  const { bytes, reserved } = growing(100);
  const piece = Buffer.from('a Pod');
  bytes.add(piece);
  expect(bytes.take().buffer).toBe(piece.buffer);
  expect(reserved).toEqual([5]);
});

test('what comes a byte at a time takes twice its size at most, and is whole and in order', () => {
  const { bytes, reserved } = growing(200_000);
  const all = Buffer.from(Array.from({ length: 150_000 }, (_, index) => index % 251));
  for (let index = 0; index < all.length; index += 1) bytes.add(all.subarray(index, index + 1));
  expect(sum(reserved)).toBeLessThanOrEqual(200_000);
  expect(reserved.length).toBeLessThan(10);
  expect(bytes.take().equals(all)).toBe(true);
  expect(bytes.take()).toHaveLength(0);
});

test('as much as may be is taken, and no byte more', () => {
  const { bytes, reserved } = growing(100_000);
  for (let index = 0; index < 10; index += 1) bytes.add(Buffer.alloc(10_000));
  expect(() => bytes.add(Buffer.alloc(1))).toThrow(TooManyError);
  expect(sum(reserved)).toBe(100_000);
  expect(bytes.take()).toHaveLength(100_000);
});

test('where no room is given nothing is added', () => {
  const full = new GrowingBytes({
    maxBytes: 100,
    reserve: () => {
      throw new Error('no room');
    },
    tooMany,
  });
  expect(() => full.add(Buffer.alloc(1))).toThrow('no room');
  expect(full.take()).toHaveLength(0);
});
