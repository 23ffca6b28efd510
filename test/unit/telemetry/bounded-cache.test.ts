import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { BOUNDED_CACHES, BoundedCache, sumOf } from '../../../src/telemetry/bounded-cache.ts';
import { FakeClock } from '../../support/clock.ts';

const SRC = fileURLToPath(new URL('../../../src', import.meta.url));

test('a bounded cache counts what it drops for want of room, and nothing else', () => {
  const clock = new FakeClock();
  const cache = new BoundedCache<string, number>({ max: 2, ttl: 10, ttlResolution: 0, perf: clock });
  cache.set('a', 1);
  cache.set('a', 2);
  cache.delete('a');
  cache.set('b', 1);
  clock.advance(11);
  expect(cache.get('b')).toBeUndefined();
  expect(cache.evictions).toBe(0);
  for (const key of ['c', 'd', 'e', 'f']) cache.set(key, 1);
  expect(cache).toMatchObject({ size: 2, max: 2, evictions: 2 });
  cache.clear();
  expect(cache.evictions).toBe(2);
});

test('a large cache, which takes room as entries come, has the same limit', () => {
  const cache = new BoundedCache<number, string>({ max: 5_000, ttl: 10_000 });
  for (let key = 0; key < 6_000; key += 1) {
    cache.set(key, 'a');
    cache.set(key, 'b');
    cache.get(0);
  }
  expect(cache).toMatchObject({ size: 5_000, max: 5_000, evictions: 1_000 });
  expect([cache.get(0), cache.get(1), cache.get(1_000), cache.get(1_001)]).toEqual([
    'b',
    undefined,
    undefined,
    'b',
  ]);
});

test('a bounded cache still tells its owner what goes, and why', () => {
  const gone: string[] = [];
  const cache = new BoundedCache<string, number>({
    max: 1,
    dispose: (_value, key, reason) => void gone.push(`${key} ${reason}`),
  });
  cache.set('a', 1);
  cache.set('b', 1);
  cache.delete('b');
  expect(gone).toEqual(['a evict', 'b delete']);
});

test('several caches are looked at as one, at the moment they are looked at', () => {
  const caches = [new BoundedCache<string, number>({ max: 1 }), new BoundedCache<string, number>({ max: 2 })];
  const sum = sumOf(caches);
  for (const cache of caches) for (const key of ['a', 'b']) cache.set(key, 1);
  expect({ size: sum.size, max: sum.max, evictions: sum.evictions }).toEqual({
    size: 3,
    max: 3,
    evictions: 1,
  });
});

const texts = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(SRC, file), 'utf8') }));

test('every cache in the source is one', () => {
  const users = texts.filter(({ text }) => text.includes("from 'lru-cache'")).map(({ file }) => file);
  expect(users).toEqual(['telemetry/bounded-cache.ts']);
});

test('every cache in the source has a name, under which it is watched', () => {
  const made = texts
    // Whose it is, is named by who makes one.
    .filter(({ file }) => file !== 'packed/packed-cache.ts')
    .flatMap(({ text }) => text.match(/\bnew (?:Bounded|Packed)Cache\b/g) ?? []);
  expect(made).toHaveLength(BOUNDED_CACHES.length);
  const names = texts.flatMap(({ text }) =>
    [...text.matchAll(/get caches\(\): WatchedCaches \{\s+return \{(.*?)\};/gs)].flatMap(([, list = '']) =>
      [...list.matchAll(/(\w+):/g)].map(([, name = '']) => name),
    ),
  );
  expect(names.toSorted()).toEqual(BOUNDED_CACHES.toSorted());
});
