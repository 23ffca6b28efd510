import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { findBearer, parseChallenges } from '../../src/registry/challenge.ts';
import { fuzz, FUZZ_TIMEOUT_MS } from '../support/fuzz.ts';

const piece = fc.oneof(
  fc.constantFrom(...Array.from('=,;" \t\\\'/:')),
  fc.constantFrom(
    'Bearer',
    'bearer ',
    'Basic ',
    'Negotiate YII=',
    'realm=',
    'realm="',
    'scope="a:b:pull,push"',
    '__proto__=',
  ),
  fc.constantFrom('service="', 'error="insufficient_scope"', 'https://auth.test/token', ' ,, ', '\\"', '""'),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const header = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(''));

test(
  'any header is read into challenges, in lower case, that are no longer than the header',
  async () => {
    await fuzz(
      20_000,
      fc.property(fc.oneof(header, fc.array(header, { maxLength: 4 })), (headers) => {
        const challenges = parseChallenges(headers);
        let length = 0;
        for (const { scheme, parameters } of challenges) {
          expect(scheme).toMatch(/^[^A-Z\s,="]+$/);
          length += scheme.length;
          for (const [name, value] of parameters) {
            expect(name).toMatch(/^[^A-Z\s,="]+$/);
            length += name.length + value.length;
          }
        }
        expect(length).toBeLessThanOrEqual(
          typeof headers === 'string' ? headers.length : headers.join('').length,
        );
      }),
    );
  },
  FUZZ_TIMEOUT_MS,
);

const token = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
const value = fc.string({ unit: fc.constantFrom(...Array.from('aZ0 ,="\\:/?&')), maxLength: 20 });
const parameters = fc.uniqueArray(fc.tuple(token, value), {
  selector: ([name]) => name,
  minLength: 1,
  maxLength: 4,
});
const quote = (plain: string): string => `"${plain.replaceAll(/[\\"]/g, '\\$&')}"`;

test(
  'challenges that are written as the standard says are read back, however many share a header',
  async () => {
    await fuzz(
      5_000,
      fc.property(fc.array(fc.tuple(token, parameters), { minLength: 1, maxLength: 4 }), (made) => {
        const written = made.map(
          ([scheme, pairs]) =>
            `${scheme} ${pairs.map(([name, plain]) => `${name}=${quote(plain)}`).join(', ')}`,
        );
        const wanted = made.map(([scheme, pairs]) => ({ scheme, parameters: new Map(pairs) }));
        expect(parseChallenges(written)).toEqual(wanted);
        expect(parseChallenges(written.join(', '))).toEqual(wanted);
      }),
    );
  },
  FUZZ_TIMEOUT_MS,
);

test(
  'a Bearer challenge is found whatever readable challenges stand around it',
  async () => {
    await fuzz(
      5_000,
      fc.property(fc.array(fc.tuple(token, parameters)), fc.nat(4), (others, place) => {
        const lines = others
          .filter(([scheme]) => scheme !== 'bearer')
          .map(
            ([scheme, pairs]) =>
              `${scheme} ${pairs.map(([name, plain]) => `${name}=${quote(plain)}`).join(',')}`,
          );
        const text = lines.toSpliced(place, 0, 'BEARER Realm="https://auth.test/token"').join(' , ');
        expect(findBearer(parseChallenges(text))?.parameters.get('realm')).toBe('https://auth.test/token');
      }),
    );
  },
  FUZZ_TIMEOUT_MS,
);
