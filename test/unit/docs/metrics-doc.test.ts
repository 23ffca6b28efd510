import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { BOUNDED_CACHES } from '../../../src/telemetry/bounded-cache.ts';
import { LIMITS } from '../../../src/telemetry/limits.ts';
import { CACHE_RESULTS, CACHES } from '../../../src/telemetry/cache-result.ts';

const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
const [, section = ''] = page.split(/^## Caches$/m);
const [caches = ''] = section.split(/^## /m);
const rows = [...caches.matchAll(/^\| `(\w+)` +\| ([^|]+?) *\|/gm)].map(([, name = '', counted = '']) => ({
  name,
  counted,
}));

test('docs/metrics.md explains every bounded cache, and no other', () => {
  // The table of the metrics themselves comes first.
  const names = rows.map(({ name }) => name).filter((name) => !name.startsWith('samebytes_'));
  expect(names.toSorted()).toEqual(BOUNDED_CACHES.toSorted());
});

test('docs/metrics.md says of which caches looks are counted, and what they may come to', () => {
  const counted = rows.filter(({ counted: answer }) => answer === 'yes').map(({ name }) => name);
  expect(counted.toSorted()).toEqual(CACHES.toSorted());
  for (const word of [...CACHES, ...CACHE_RESULTS]) expect(caches).toContain(`\`${word}\``);
});

test('docs/metrics.md explains every limit, and no other', () => {
  const [, limits = ''] = page.split(/^## Limits$/m);
  const [table = ''] = limits.split(/^## /m);
  const names = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name);
  expect(names.filter((name) => !name.startsWith('samebytes_'))).toEqual([...LIMITS]);
});
