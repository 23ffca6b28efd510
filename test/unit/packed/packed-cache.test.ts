import { describe, expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PackedCache, type EntryMark, type IsMeant } from '../../../src/packed/packed-cache.ts';

const cacheOf = (max: number, maxBytes?: number): PackedCache =>
  new PackedCache({ max, headTexts: 1, ...(maxBytes === undefined ? {} : { maxBytes }) });
const named =
  (name: string): IsMeant =>
  ([head]) =>
    head === name;
const find = (cache: PackedCache, name: string): string[] | undefined => cache.get(name, named(name));
const remove = (cache: PackedCache, name: string): string[] | undefined => cache.delete(name, named(name));
const keep = (cache: PackedCache, ...texts: readonly [string, ...string[]]): boolean =>
  cache.set(texts[0], texts);

test('gives back what was kept under a name, the latest', () => {
  const cache = cacheOf(10);
  expect(keep(cache, 'a', 'x')).toBe(true);
  keep(cache, 'a', 'y', 'z');
  expect([find(cache, 'a'), find(cache, 'b'), cache.size]).toEqual([['a', 'y', 'z'], undefined, 1]);
});

test('gives back and deletes only what is meant', () => {
  const cache = cacheOf(10);
  keep(cache, 'a', 'x');
  expect([cache.get('a', named('b')), cache.mark('a', named('b')), cache.delete('a', named('b'))]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(find(cache, 'a')).toEqual(['a', 'x']);
});

test('asks about the first texts only', () => {
  const cache = cacheOf(10);
  keep(cache, 'a', 'x', 'y');
  const asked: (readonly string[])[] = [];
  cache.get('a', (head) => asked.push(head) > 0);
  expect(asked).toEqual([['a']]);
});

test('deletes once, and gives back what it deletes', () => {
  const cache = cacheOf(10);
  keep(cache, 'a', 'x');
  keep(cache, 'b');
  expect([remove(cache, 'a'), remove(cache, 'a'), find(cache, 'a')]).toEqual([
    ['a', 'x'],
    undefined,
    undefined,
  ]);
  expect(find(cache, 'b')).toEqual(['b']);
});

test('drops the least recently used', () => {
  const cache = cacheOf(2);
  keep(cache, 'a');
  keep(cache, 'b');
  find(cache, 'a');
  keep(cache, 'c');
  expect([find(cache, 'a'), find(cache, 'b'), find(cache, 'c')]).toEqual([['a'], undefined, ['c']]);
  expect([cache.size, cache.max, cache.evictions]).toEqual([2, 2, 1]);
});

test('keeps as much as there is room for in bytes, and nothing that is larger', () => {
  const cache = cacheOf(10, 100);
  keep(cache, 'a', 'x'.repeat(40));
  keep(cache, 'b', 'x'.repeat(40));
  keep(cache, 'c', 'x'.repeat(40));
  expect([find(cache, 'a'), cache.size]).toEqual([undefined, 2]);
  expect(keep(cache, 'd', 'x'.repeat(200))).toBe(false);
  expect([find(cache, 'd'), cache.size]).toEqual([undefined, 2]);
});

test('no longer keeps the earlier entry where the later one is too large to be kept', () => {
  const cache = cacheOf(10, 100);
  keep(cache, 'a', 'x');
  expect(keep(cache, 'a', 'x'.repeat(200))).toBe(false);
  expect([find(cache, 'a'), cache.size]).toEqual([undefined, 0]);
});

function markOf(cache: PackedCache, name: string): EntryMark {
  const mark = cache.mark(name, named(name));
  if (mark === undefined) throw new Error('not kept');
  return mark;
}

describe('the mark of an entry', () => {
  test('holds as long as the entry is kept, whatever else is set', () => {
    const cache = cacheOf(10);
    keep(cache, 'a');
    const mark = markOf(cache, 'a');
    keep(cache, 'b');
    expect([cache.holds(mark), cache.holds(markOf(cache, 'b')), markOf(cache, 'a')]).toEqual([
      true,
      true,
      mark,
    ]);
  });

  test.each<[string, (cache: PackedCache) => void]>([
    ['set again, with the same texts', (cache) => keep(cache, 'a')],
    ['deleted', (cache) => remove(cache, 'a')],
    ['dropped for others', (cache) => ['b', 'c'].forEach((name) => keep(cache, name))],
    ['cleared', (cache) => cache.clear()],
    [
      'deleted, and its room is used again',
      (cache) => {
        remove(cache, 'a');
        keep(cache, 'a');
      },
    ],
    [
      'cleared, and set again',
      (cache) => {
        cache.clear();
        keep(cache, 'a');
      },
    ],
  ])('holds no longer once it is %s', (_what, end) => {
    const cache = cacheOf(2);
    keep(cache, 'a');
    const mark = markOf(cache, 'a');
    end(cache);
    expect(cache.holds(mark)).toBe(false);
  });

  test('holds no longer once another name with the same hash is set', () => {
    const cache = new PackedCache({ max: 10, headTexts: 1, hash: () => 7 });
    keep(cache, 'a');
    const mark = markOf(cache, 'a');
    keep(cache, 'b');
    expect(cache.holds(mark)).toBe(false);
  });

  test.each<[string, (cache: PackedCache, mark: EntryMark) => unknown]>([
    ['asking for it', (cache) => cache.mark('a', named('a'))],
    ['asking whether it holds', (cache, mark) => cache.holds(mark)],
  ])('%s counts as use of the entry', (_what, use) => {
    const cache = cacheOf(2);
    keep(cache, 'a');
    const mark = markOf(cache, 'a');
    keep(cache, 'b');
    use(cache, mark);
    keep(cache, 'c');
    expect([find(cache, 'a'), find(cache, 'b')]).toEqual([['a'], undefined]);
  });
});

test('is empty once it is cleared, and can be used again', () => {
  const cache = cacheOf(10);
  keep(cache, 'a');
  cache.clear();
  expect([find(cache, 'a'), cache.size]).toEqual([undefined, 0]);
  keep(cache, 'a', 'x');
  expect(find(cache, 'a')).toEqual(['a', 'x']);
});

test('finds each of very many, and none of those that it dropped', () => {
  const cache = cacheOf(5_000);
  for (let index = 0; index < 20_000; index += 1) keep(cache, `name${index}`, `${index}`);
  const found = Array.from({ length: 20_000 }, (_, index) => find(cache, `name${index}`)?.[1]);
  // Two of them may have the same hash.
  expect(found.filter((text, index) => text === `${index}`).length).toBeGreaterThan(4_990);
  expect(found.filter((text) => text !== undefined).length).toBe(cache.size);
});

test('where texts have the same hash the later entry stays, and the earlier is found by nobody', () => {
  const cache = new PackedCache({ max: 10, headTexts: 1, hash: () => 7 });
  keep(cache, 'a');
  keep(cache, 'b');
  expect([find(cache, 'a'), find(cache, 'b'), cache.size]).toEqual([undefined, ['b'], 1]);
  expect([remove(cache, 'a'), find(cache, 'b')]).toEqual([undefined, ['b']]);
  expect([remove(cache, 'b'), find(cache, 'b')]).toEqual([['b'], undefined]);
});

describe('whatever is done to it', () => {
  const step = fc.record({
    what: fc.constantFrom('set', 'set', 'get', 'delete', 'clear' as const),
    name: fc.integer({ min: 0, max: 12 }),
    // Of many lengths, so that freed room is used again in other pieces.
    length: fc.integer({ min: 0, max: 300 }),
  });
  const steps = fc.array(step, { maxLength: 200 });

  test.each<[string, ((text: string) => number) | undefined]>([
    ['hashes of its own', undefined],
    ['three hashes for all', (text) => Number(text.slice(1)) % 3],
  ])('it gives what was set last under a name, or nothing: with %s', (_what, hash) => {
    fc.assert(
      fc.property(steps, (all) => {
        const cache = new PackedCache({
          max: 6,
          maxBytes: 900,
          headTexts: 1,
          ...(hash === undefined ? {} : { hash }),
        });
        const model = new Map<string, readonly string[]>();
        const wrong: unknown[] = [];
        for (const [index, { what, name, length }] of all.entries()) {
          const text = `n${name}`;
          if (what === 'clear') {
            cache.clear();
            model.clear();
          } else if (what === 'set') {
            const texts = [text, `${index}`.padEnd(length, 'é')] as const;
            if (keep(cache, ...texts)) model.set(text, texts);
            else model.delete(text);
          } else {
            const kept = what === 'get' ? find(cache, text) : remove(cache, text);
            if (kept !== undefined && kept.join() !== model.get(text)?.join()) wrong.push(kept);
            if (what === 'delete') model.delete(text);
          }
          if (cache.size > 6) wrong.push(cache.size);
        }
        expect(wrong).toEqual([]);
        const names = [...Array(13).keys()].map((name) => `n${name}`);
        expect(names.filter((name) => find(cache, name) !== undefined).length).toBe(cache.size);
      }),
    );
  });
});

test.each<[string, (cache: PackedCache, index: number) => void]>([
  ['sets other names', (cache, index) => void keep(cache, `${index}`, 'x'.repeat(500))],
  ['sets the same name', (cache) => void keep(cache, 'a', 'x'.repeat(500))],
  ['sets what is too large', (cache) => void keep(cache, 'a', 'x'.repeat(9_000))],
  [
    'sets and deletes',
    (cache) => {
      keep(cache, 'a', 'x'.repeat(500));
      remove(cache, 'a');
    },
  ],
])('takes no more room, however often one %s', (_what, step) => {
  const cache = cacheOf(10, 8_000);
  const taken = jest.spyOn(Buffer, 'allocUnsafeSlow');
  for (let index = 0; index < 20_000; index += 1) step(cache, index);
  expect(taken.mock.calls.length).toBeLessThanOrEqual(1);
  taken.mockRestore();
});
