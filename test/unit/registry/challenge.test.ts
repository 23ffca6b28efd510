import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { findBearer, parseChallenges } from '../../../src/registry/challenge.ts';

function realmOf(header: string | string[]): string | undefined {
  return findBearer(parseChallenges(header))?.parameters.get('realm');
}

describe('the Bearer challenge is found', () => {
  test.each<[string, string | string[]]>([
    ['alone', 'Bearer realm="https://t.example/token",service="r",scope="repository:a:pull"'],
    ['in any case', 'bEaReR Realm="https://t.example/token"'],
    ['with blanks around the signs', 'Bearer  realm = "https://t.example/token" , service = "r"'],
    ['unquoted', 'Bearer realm=https://t.example/token,service=r'],
    ['behind Basic on the same line', 'Basic realm="r", Bearer realm="https://t.example/token"'],
    ['behind Basic in another header', ['Basic realm="r"', 'Bearer realm="https://t.example/token"']],
    ['behind an unknown scheme', 'Negotiate, Bearer realm="https://t.example/token"'],
    ['behind opaque credentials', 'Negotiate YII=, Bearer realm="https://t.example/token"'],
    [
      'with a comma in a quoted scope',
      'Bearer scope="repository:a:pull,push",realm="https://t.example/token"',
    ],
    ['behind rubbish', ',,;=,"", Bearer realm="https://t.example/token"'],
    ['with escapes', String.raw`Bearer realm="https://t.example/\token"`],
    [
      'with its first realm, where it has two',
      'Bearer realm="https://t.example/token",realm="https://evil/"',
    ],
  ])('%s', (_how, header) => {
    expect(realmOf(header)).toBe('https://t.example/token');
  });
});

test.each<[string, string | string[] | undefined]>([
  ['no header', undefined],
  ['an empty one', ''],
  ['Basic only', 'Basic realm="r"'],
  ['Bearer without a realm', 'Bearer service="r"'],
  ['a realm inside another value', 'Basic realm="Bearer realm=https://evil/"'],
])('there is none in %s', (_what, header) => {
  expect(findBearer(parseChallenges(header))).toBeUndefined();
});

test('the service stands beside the realm', () => {
  const challenge = findBearer(parseChallenges('Bearer realm="https://t/",service="registry, one"'));
  expect(challenge?.parameters.get('service')).toBe('registry, one');
});

test('every header is read to its end without an error', () => {
  const near = fc.string({ unit: fc.constantFrom(...Array.from('Bearer realm="\\,= \t')), maxLength: 60 });
  fc.assert(
    fc.property(fc.oneof(near, fc.string()), (header) => {
      expect(Array.isArray(parseChallenges(header))).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
