import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { packTexts, unpackTexts } from '../../../src/packed/texts.ts';

const UUID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('comes back as it was', () => {
  test.each<[string, string[]]>([
    ['nothing', []],
    ['an empty text', ['', 'a', '']],
    ['a UUID', [UUID]],
    ['a digest', [DIGEST]],
    ['a word that many have', ['apps/v1', 'ReplicaSet', 'resolved']],
    ['what only looks like a UUID', [UUID.toUpperCase(), ` ${UUID}`, `${UUID}\n`, UUID.replaceAll('-', '')]],
    ['what only looks like a digest', [DIGEST.toUpperCase(), `${DIGEST}0`, `sha512:${DIGEST.slice(7)}`]],
    ['a time', ['2026-11-26T08:44:13.123Z', '1970-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z']],
    [
      'what only looks like a time',
      [
        '2026-02-30T08:44:13.123Z',
        '2026-11-26T24:00:00.000Z',
        '2026-11-26T08:44:13Z',
        '1969-12-31T23:59:59.999Z',
        '2026-99-99T08:44:13.123Z',
        '0000-01-01T00:00:00.000Z',
      ],
    ],
    ['text of any length', [31, 32, 4_095, 4_096, 600_000].map((length) => 'x'.repeat(length))],
    ['text beyond ASCII', ['größe', '漢字', '🐳', 'a\n"b\\\0']],
  ])('%s', (_what, texts) => {
    expect(unpackTexts(packTexts(texts))).toEqual(texts);
  });

  test('whatever it is', () => {
    const anyTime = fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.uuid(), anyTime, fc.constantFrom('v1', DIGEST));
    fc.assert(fc.property(fc.array(text), (texts) => expect(unpackTexts(packTexts(texts))).toEqual(texts)));
  });
});

test('UUIDs and digests take half, times a quarter, and words that many have one byte', () => {
  const texts = [UUID, DIGEST, '2026-11-26T08:44:13.123Z', 'Deployment'];
  expect(texts.map((text) => packTexts([text]).length)).toEqual([17, 33, 7, 1]);
});

test('the first of them are read alone', () => {
  expect(unpackTexts(packTexts(['a', UUID, 'c']), 2)).toEqual(['a', UUID]);
});

test('other texts are other bytes', () => {
  const packed = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', ''], ['', 'abc']].map((texts) =>
    packTexts(texts).toString('hex'),
  );
  expect(new Set(packed).size).toBe(5);
});
