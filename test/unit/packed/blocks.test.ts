import { expect, test } from '@jest/globals';
import { Blocks } from '../../../src/packed/blocks.ts';

const bytesOf = (length: number, start = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => (start + index) % 256));

test.each([0, 1, 51, 52, 53, 59, 60, 61, 111, 112, 113, 5_000])(
  'gives %i bytes back as they were',
  (length) => {
    const blocks = new Blocks();
    blocks.write(bytesOf(7), 0);
    const place = blocks.write(bytesOf(length, 1), 0);
    blocks.write(bytesOf(200, 2), 0);
    expect(blocks.read(place)).toEqual(bytesOf(length, 1));
  },
);

test('uses what was freed again, and leaves the rest alone', () => {
  const blocks = new Blocks();
  const [first, second] = [blocks.write(bytesOf(300, 1), 0), blocks.write(bytesOf(300, 2), 0)];
  blocks.free(first);
  const places = [10, 200, 10].map((length, index) => blocks.write(bytesOf(length, 10 + index), 0));
  expect(Math.max(...places)).toBeLessThan(second);
  expect(places.map((place) => blocks.read(place))).toEqual([
    bytesOf(10, 10),
    bytesOf(200, 11),
    bytesOf(10, 12),
  ]);
  expect(blocks.read(second)).toEqual(bytesOf(300, 2));
});

test('holds more than one chunk of them', () => {
  const blocks = new Blocks();
  const places = Array.from({ length: 10_000 }, (_, index) => blocks.write(bytesOf(100, index), 0));
  expect(places.every((place, index) => blocks.read(place).equals(bytesOf(100, index)))).toBe(true);
});

test('gives the number back that was written with each, also where room was used before', () => {
  const blocks = new Blocks();
  blocks.free(blocks.write(bytesOf(300, 1), 7));
  const numbers = [0, 1, 2 ** 32 - 1];
  const places = numbers.map((number) => blocks.write(bytesOf(100), number));
  expect(places.map((place) => blocks.numberOf(place))).toEqual(numbers);
  expect(places.map((place) => blocks.read(place))).toEqual(numbers.map(() => bytesOf(100)));
});
