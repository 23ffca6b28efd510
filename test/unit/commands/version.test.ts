import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { USER_AGENT, VERSION } from '../../../src/commands/version.ts';

const PACKAGE = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  name: string;
  version: string;
};

test('the version is that of package.json', () => {
  expect(VERSION).toBe(PACKAGE.version);
});

test('registries know us by name and version', () => {
  expect(USER_AGENT).toBe(`${PACKAGE.name}/${PACKAGE.version}`);
});
