import { describe, expect, test } from '@jest/globals';
import { limitWarnings } from '../../../src/admission/response.ts';

/** The API server counts code points (Go's runes). */
function codePoints(text: string): number {
  return Array.from(text).length;
}

function sum(texts: readonly string[]): number {
  return texts.reduce((total, text) => total + codePoints(text), 0);
}

describe('warnings', () => {
  test('say whose they are', () => {
    expect(limitWarnings(['careful'], 'enabled')).toEqual(['samebytes: careful']);
    expect(limitWarnings(['careful'], 'allow')).toEqual(['samebytes: careful']);
    expect(limitWarnings(['careful'], 'audit')).toEqual(['samebytes (audit): careful']);
    expect(limitWarnings([], 'audit')).toEqual([]);
  });

  test.each([
    ['letters', 'x'],
    ['emoji', '😀'],
    ['families of emoji', '👩‍👩‍👧'],
    ['lone surrogates', '\ud83d'],
    ['control characters', '\n'],
    ['combining characters', 'e\u0301'],
  ])('of many %s are cut to 256 characters', (_what, unit) => {
    const [text = ''] = limitWarnings([unit.repeat(1_000)], 'enabled');
    expect(codePoints(text)).toBe(256);
    expect(text.isWellFormed()).toBe(true);
    expect(text.endsWith('…')).toBe(true);
  });

  test('of exactly 256 characters are left whole', () => {
    const warning = '😀'.repeat(256 - 'samebytes: '.length);
    expect(limitWarnings([warning], 'enabled')).toEqual([`samebytes: ${warning}`]);
    expect(limitWarnings([`${warning}x`], 'enabled')[0]).toMatch(/😀…$/u);
  });

  test('hold no control characters, which the API server would refuse', () => {
    const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCodePoint(code)).join('');
    const texts = limitWarnings([controls, 'a\r\nwarning: 299 - "forged"'], 'enabled');
    for (const text of texts) expect(text).not.toMatch(/\p{Cc}/u);
    expect(texts[0]).toContain('ABC');
    expect(texts[1]).toBe('samebytes: a  warning: 299 - "forged"');
  });

  test('hold no lone surrogates, which are no text', () => {
    expect(limitWarnings(['a\ud83db\ude00c😀'], 'enabled')).toEqual(['samebytes: a\ufffdb\ufffdc😀']);
  });

  test.each([
    ['long', 17, 300],
    ['long', 1_000, 300],
    ['short', 1_000, 10],
    ['empty', 1_000, 0],
    ['emoji-long', 100, 300],
  ])(
    'that are %s and %d are at most 4096 characters in all, and end with how many more there are',
    (what, count, size) => {
      const unit = what === 'emoji-long' ? '😀' : 'x';
      const texts = limitWarnings(
        Array.from({ length: count }, () => unit.repeat(size)),
        'audit',
      );
      expect(sum(texts)).toBeLessThanOrEqual(4_096);
      expect(sum(texts)).toBeGreaterThan(3_500);
      expect(texts.at(-1)).toBe(`samebytes (audit): and ${count - texts.length + 1} more warnings`);
    },
  );

  test('that fit exactly are all there', () => {
    const warnings = Array.from({ length: 16 }, (_, index) =>
      `${index}`.padEnd(256 - 'samebytes: '.length, 'x'),
    );
    const texts = limitWarnings(warnings, 'enabled');
    expect(sum(texts)).toBe(4_096);
    expect(texts).toHaveLength(16);
    expect(texts.at(-1)).toMatch(/^samebytes: 15x/);
  });
});
