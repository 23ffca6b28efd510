import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readCaFile, SettingsError } from '../../../src/config/load.ts';
import { errorOf, SettingsFiles } from '../../support/settings-files.ts';

let files: SettingsFiles;

beforeAll(() => {
  files = new SettingsFiles();
});
afterAll(() => {
  files.remove();
});

describe('a file of certificate authorities', () => {
  const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

  test('is read as it is', () => {
    expect(readCaFile(files.write(PEM, 'ca.pem'), 'registries[0].caFile')).toBe(PEM);
  });

  test('that cannot be read is named with its setting', () => {
    const file = join(files.directory, 'missing.pem');
    const error = errorOf(() => readCaFile(file, 'registries[0].caFile'));
    expect(error).toBeInstanceOf(SettingsError);
    expect(String(error)).toContain(`registries[0].caFile: cannot read ${file} (`);
  });

  test.each([
    ['empty', ''],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['in DER', Buffer.from([0x30, 0x82, 0x01, 0x0a])],
  ])('that is %s is refused without a word of its content', (_what, content) => {
    const file = files.write(content, 'odd.pem');
    expect(() => readCaFile(file, 'registries[0].caFile')).toThrow(
      new SettingsError(`registries[0].caFile: ${file} holds no certificate in PEM`),
    );
  });
});

// In a process of its own, since errors of node:fs are none of Jest's own realm.
test('a file that cannot be read is named with the reason of the operating system', () => {
  const load = JSON.stringify(new URL('../../../src/config/load.ts', import.meta.url).href);
  const script = `
    import { loadSettings, readCaFile } from ${load};
    const [missing, directory] = process.argv.slice(1);
    const acts = [() => readCaFile(missing, 'x.caFile'), () => loadSettings(directory, { flags: {}, env: {} })];
    for (const act of acts) try { act() } catch (error) { console.log(error.name, error.message) }`;
  const missing = join(files.directory, 'missing');
  const args = ['--input-type=module', '--eval', script, missing, files.directory];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' }).trim().split('\n')).toEqual([
    `SettingsError x.caFile: cannot read ${missing} (ENOENT)`,
    `SettingsError settings: cannot read ${files.directory} (EISDIR)`,
  ]);
});
