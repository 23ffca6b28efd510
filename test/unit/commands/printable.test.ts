import { expect, test } from '@jest/globals';
import { printable, printableJson } from '../../../src/commands/printable.ts';

test('text without anything that steers a terminal stays as it is', () => {
  expect(printable('registry.example.com/shop/wëb:1 "…"')).toBe('registry.example.com/shop/wëb:1 "…"');
});

test.each([
  ['an escape', '\u001B[31m', '\\u{1b}[31m'],
  ['an escape of eight bits', '\u009B2J', '\\u{9b}2J'],
  ['a turn of direction', 'a\u202Eb', 'a\\u{202e}b'],
  ['a line end', 'a\r\nb\u2028', 'a\\u{d}\\u{a}b\\u{2028}'],
  ['a character that is not seen', 'a\u{E0041}', 'a\\u{e0041}'],
])('%s is written out', (_what, text, written) => {
  expect(printable(text)).toBe(written);
});

test('JSON has them in its own escapes, so that it means the same', () => {
  const value = { text: '\u001B\u007F\u009B\u202E\u2028\u{E0041}é' };
  const text = printableJson(value);
  expect(text).toMatch(/^[\n -~é]*$/);
  expect(text).toContain(String.raw`\u009b\u202e\u2028\udb40\udc41é`);
  expect(JSON.parse(text)).toEqual(value);
});
