import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(ROOT, 'docs/bounds.md'), 'utf8');

/** What keeps things for longer than a call: caches, agents and collections in fields of a class, and gates. */
const KEEPS =
  /(?:this\.#\w+ = |^ {2}(?:readonly )?#\w+(?:: [^=\n]+)? = )new (?:BoundedCache|PackedCache|Map|Set|Slots|ByKey|Agent|ByteBudget)\b|= new (?:Gate|ByteBudget|Pool)\(/m;

const keeping = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .map((file) => `src/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.ts') && !file.startsWith('src/demo/'))
  .filter((file) => KEEPS.test(readFileSync(join(ROOT, file), 'utf8')));

test('what keeps things is found', () => {
  expect(keeping).toEqual(expect.arrayContaining(['src/pins/pin-memory.ts', 'src/flight/fresh-flights.ts']));
  expect(keeping.length).toBeGreaterThan(10);
});

test('docs/bounds.md says for every file that keeps things how many', () => {
  expect(keeping.filter((file) => !page.includes(`\`${file}\``))).toEqual([]);
});

test('docs/bounds.md names files that exist', () => {
  const named = [...page.matchAll(/`(src\/[^`]+)`/g)].map(([, file = '']) => file);
  const missing = named.filter((file) => {
    try {
      readFileSync(join(ROOT, file));
      return false;
    } catch {
      return true;
    }
  });
  expect(missing).toEqual([]);
});
