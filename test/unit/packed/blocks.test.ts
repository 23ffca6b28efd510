import { expect, test } from '@jest/globals';
import { Blocks } from '../../../src/packed/blocks.ts';

const bytesOf = (length: number, start = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => (start + index) % 256));

test.each([0, 1, 55, 56, 57, 59, 60, 61, 115, 116, 117, 5_000])(
  'gives %i bytes back as they were',
  (length) => {
    const blocks = new Blocks();
    blocks.write(bytesOf(7));
    const place = blocks.write(bytesOf(length, 1));
    blocks.write(bytesOf(200, 2));
    expect(blocks.read(place)).toEqual(bytesOf(length, 1));
  },
);

test('uses what was freed again, and leaves the rest alone', () => {
  const blocks = new Blocks();
  const [first, second] = [blocks.write(bytesOf(300, 1)), blocks.write(bytesOf(300, 2))];
  blocks.free(first);
  const places = [10, 200, 10].map((length, index) => blocks.write(bytesOf(length, 10 + index)));
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
  const places = Array.from({ length: 10_000 }, (_, index) => blocks.write(bytesOf(100, index)));
  expect(places.every((place, index) => blocks.read(place).equals(bytesOf(100, index)))).toBe(true);
});
