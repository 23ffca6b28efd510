import { describe, expect, test } from '@jest/globals';
import { PackedCache } from '../../../src/packed/packed-cache.ts';

const keyOf = ([, key = '']: readonly string[]): string => key;
const idOf = ([id = '']: readonly string[]): string => id;
const cacheOf = (max: number, maxBytes?: number): PackedCache =>
  new PackedCache({ max, headTexts: 2, keyOf, idOf, ...(maxBytes === undefined ? {} : { maxBytes }) });

test('gives back what was kept under a key, the latest', () => {
  const cache = cacheOf(10);
  expect(cache.set(['1', 'a', 'x'])).toBe(true);
  cache.set(['1', 'a', 'y', 'z']);
  expect([cache.get('a'), cache.get('b'), cache.size]).toEqual([['1', 'a', 'y', 'z'], undefined, 1]);
});

test('deletes by id, once', () => {
  const cache = cacheOf(10);
  cache.set(['1', 'a', 'x']);
  cache.set(['2', 'b']);
  expect(cache.deleteById('1')).toEqual(['1', 'a', 'x']);
  expect([cache.deleteById('1'), cache.deleteById('a'), cache.get('a')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(cache.get('b')).toEqual(['2', 'b']);
});

test('knows an entry by its new id alone', () => {
  const cache = cacheOf(10);
  cache.set(['1', 'a']);
  cache.set(['2', 'a']);
  expect([cache.deleteById('1'), cache.get('a')]).toEqual([undefined, ['2', 'a']]);
  expect(cache.deleteById('2')).toEqual(['2', 'a']);
});

test('keeps no entry that would not be found by its id', () => {
  const cache = cacheOf(10);
  cache.set(['1', 'a']);
  cache.set(['1', 'b']);
  expect([cache.get('a'), cache.get('b'), cache.size]).toEqual([undefined, ['1', 'b'], 1]);
});

test('drops the least recently used, and what it knew of it', () => {
  const cache = cacheOf(2);
  cache.set(['1', 'a']);
  cache.set(['2', 'b']);
  cache.get('a');
  cache.set(['3', 'c']);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([['1', 'a'], undefined, ['3', 'c']]);
  expect([cache.deleteById('2'), cache.size, cache.max, cache.evictions]).toEqual([undefined, 2, 2, 1]);
});

test('keeps as much as there is room for in bytes, and nothing that is larger', () => {
  const cache = cacheOf(10, 100);
  cache.set(['1', 'a', 'x'.repeat(40)]);
  cache.set(['2', 'b', 'x'.repeat(40)]);
  cache.set(['3', 'c', 'x'.repeat(40)]);
  expect([cache.get('a'), cache.size]).toEqual([undefined, 2]);
  expect(cache.set(['4', 'd', 'x'.repeat(200)])).toBe(false);
  expect([cache.get('d'), cache.deleteById('4'), cache.size]).toEqual([undefined, undefined, 2]);
});

test('is empty once it is cleared, and can be used again', () => {
  const cache = cacheOf(10);
  cache.set(['1', 'a']);
  cache.clear();
  expect([cache.get('a'), cache.deleteById('1'), cache.size]).toEqual([undefined, undefined, 0]);
  cache.set(['2', 'a']);
  expect(cache.get('a')).toEqual(['2', 'a']);
});

test('finds each of very many, and none of those that it dropped', () => {
  const cache = cacheOf(5_000);
  for (let index = 0; index < 20_000; index += 1) cache.set([`id${index}`, `key${index}`, `${index}`]);
  const found = Array.from({ length: 20_000 }, (_, index) => cache.get(`key${index}`)?.[2]);
  // Two of them may have the same hash.
  expect(found.filter((text, index) => text === `${index}`).length).toBeGreaterThan(4_990);
  expect(found.filter((text) => text !== undefined).length).toBe(cache.size);
});

describe('where texts have the same hash', () => {
  const sameHash = (): PackedCache => new PackedCache({ max: 10, headTexts: 2, keyOf, idOf, hash: () => 7 });
  const oddOrEven = (text: string): number => Number(text.replaceAll(/\D/g, '')) % 2;

  test('the later entry stays, and the earlier is found by nobody', () => {
    const cache = sameHash();
    cache.set(['1', 'a']);
    cache.set(['2', 'b']);
    expect([cache.get('a'), cache.get('b'), cache.size]).toEqual([undefined, ['2', 'b'], 1]);
    expect([cache.deleteById('1'), cache.get('b')]).toEqual([undefined, ['2', 'b']]);
    expect([cache.deleteById('2'), cache.get('b')]).toEqual([['2', 'b'], undefined]);
  });

  test('whatever is kept is found by its id', () => {
    const cache = new PackedCache({ max: 10, headTexts: 2, keyOf, idOf, hash: oddOrEven });
    const entries = Array.from({ length: 200 }, (_, index) => [`${index * 7}`, `key${index * 3}`]);
    for (const entry of entries) {
      cache.set(entry);
      for (const [id = '', key = ''] of entries) {
        const kept = cache.get(key);
        if (kept?.[0] !== id) continue;
        expect(cache.deleteById(id)).toEqual(kept);
        cache.set(kept);
      }
    }
    expect(cache.size).toBeLessThanOrEqual(2);
  });
});
