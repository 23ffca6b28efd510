import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  hostOf,
  InvalidReferenceError,
  normalizedName,
  parseReference,
  withDigest,
  type ImageReference,
} from '../../src/image/reference.ts';
import { digest } from '../support/digests.ts';
import { fuzz, FUZZ_TIMEOUT_MS } from '../support/fuzz.ts';

const HEX = 'a1'.repeat(32);
/** What references are made of, and what breaks them. */
const piece = fc.oneof(
  fc.constantFrom(...Array.from('/:@.-_[]%+ \0\n\\?#')),
  fc.constantFrom(
    'a',
    'Z',
    '0',
    'app',
    'library',
    'localhost',
    'docker.io',
    'Docker.IO',
    'index.docker.io',
    'ghcr.io',
  ),
  fc.constantFrom(
    '5000',
    '65536',
    '::1',
    '[::1]',
    'latest',
    '..',
    '__',
    '--',
    'sha256:',
    'sha512:',
    HEX,
    HEX + HEX,
  ),
  fc.constantFrom('\u212a', '\u0131', '\u017f', '\u0130', '\ud800', '\u{1f600}', '\u00ad', '\u202e'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const text = fc.oneof(
  { weight: 5, arbitrary: fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.tuple(piece, fc.nat(5_000)).map(([part, times]) => part.repeat(times)) },
);

/** The reference; undefined where the text is none. */
function read(written: string): ImageReference | undefined {
  try {
    return parseReference(written);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidReferenceError);
    expect((error as Error).message.length).toBeLessThan(500);
    return undefined;
  }
}

test(
  'any text is a reference that holds together, or the one error in a few words',
  async () => {
    await fuzz(
      20_000,
      fc.property(text, (written) => {
        const reference = read(written);
        if (reference === undefined) return;
        // One name for one meaning, which reads back as itself.
        const name = normalizedName(reference);
        expect(normalizedName(parseReference(name))).toBe(name);
        // What is pinned is the same repository, in the same spelling.
        const pinned = parseReference(withDigest(reference, digest('a'), { keepTag: false }));
        expect([pinned.domain, pinned.path, pinned.digest]).toEqual([
          reference.domain,
          reference.path,
          digest('a'),
        ]);
        expect(pinned.written.startsWith(reference.writtenRepository)).toBe(true);
        expect(written.startsWith(reference.writtenRepository)).toBe(true);
        // Nothing of it changes its meaning on the wire.
        expect(hostOf(reference)).toMatch(/^[a-z0-9._\-:[\]]+$/);
        const path = `/v2/${reference.path}/manifests/${reference.tag ?? reference.digest}`;
        expect(new URL(path, 'https://registry.test').pathname).toBe(path);
      }),
    );
  },
  FUZZ_TIMEOUT_MS,
);
