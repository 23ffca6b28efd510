import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { OUTCOMES } from '../../../src/admission/outcome.ts';
import { OUTCOMES as WORDS } from '../../../src/dashboard/page/words.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

test('src/dashboard/page.json is what npm run page makes of src/dashboard/page', async () => {
  const checking = promisify(execFile)(process.execPath, ['tools/page.ts', '--check'], { cwd: ROOT });
  await expect(checking).resolves.toMatchObject({ stderr: '' });
});

test('the licence of the chart library goes with its copy', async () => {
  const text = await readFile(new URL('../../../src/dashboard/page.json', import.meta.url), 'utf8');
  expect(text).toContain('Permission is hereby granted, free of charge');
});

test('the page has words for every outcome, and for no other', () => {
  expect(Object.keys(WORDS)).toEqual([...OUTCOMES]);
});
