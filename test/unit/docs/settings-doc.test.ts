import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { format } from 'prettier';
import { OVERRIDES } from '../../../src/config/load.ts';
import { settingsDoc } from '../../support/settings-doc.ts';

const PAGE = new URL('../../../docs/settings.md', import.meta.url);

test('docs/settings.md says what the settings say of themselves', async () => {
  const wanted = await format(settingsDoc(), { parser: 'markdown', printWidth: 110 });
  if (process.env['UPDATE_DOCS'] === '1') await writeFile(PAGE, wanted);
  expect(await readFile(PAGE, 'utf8')).toBe(wanted);
});

test('docs/settings.md names every environment variable', async () => {
  const page = await readFile(PAGE, 'utf8');
  for (const { env } of OVERRIDES) expect(page).toContain(env);
});
