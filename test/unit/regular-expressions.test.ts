import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { parse, tokTypes, type Token } from 'acorn';

// Strangers write the texts that our regular expressions read. That each takes linear time is proven from their shape, not
// measured with a clock: recheck follows every way in which backtracking, or starting anew at each place, takes more.

// Its other backends are native programs that not every machine has.
process.env['RECHECK_SYNC_BACKEND'] = 'pure';
const { checkSync } = await import('recheck');

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

interface Found {
  readonly file: string;
  readonly literal: string;
  readonly regex: RegExp;
}

/** Not linear, for texts that no stranger makes long. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  // parseDurationMs refuses more than 32 characters first.
  'admission/deadline.ts': String.raw`/(\d+(?:\.\d+)?)(h|ms|m|s|us|\u00b5s|ns)/g`,
  // A name that is cut before.
  'pins/image-pin.ts': '/[-.]+$/',
  // What an administrator, or we ourselves, wrote into the webhook configuration.
  'certificates/certificate-bundle.ts': '/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g',
};

function literalsOf(file: string): Found[] {
  const tokens: Token[] = [];
  parse(stripTypeScriptTypes(readFileSync(`${SRC}/${file}`, 'utf8')), {
    ecmaVersion: 'latest',
    sourceType: 'module',
    onToken: tokens,
  });
  return tokens
    .filter(({ type }) => type === tokTypes.regexp)
    .map((token) => {
      const { pattern, flags } = (token as Token & { value: { pattern: string; flags: string } }).value;
      return { file, literal: `/${pattern}/${flags}`, regex: new RegExp(pattern, flags) };
    });
}

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts'));
const LITERALS = FILES.flatMap(literalsOf);

/** What recheck proves: `linear`, `safe` (constant), `polynomial`, `exponential`; `unknown` where it proves nothing. */
function timeOf({ source, flags }: RegExp): string {
  // A sticky expression starts at one place only. Without its upper limits an expression takes no less time.
  const anchored = flags.includes('y') ? `^(?:${source})` : source;
  const unlimited = anchored.replaceAll(/\{(\d+),\d{2,}\}/g, '{$1,}');
  const found = checkSync(unlimited, flags.replace('y', ''), { checker: 'automaton' });
  return 'complexity' in found ? (found.complexity?.type ?? found.status) : found.status;
}

describe('what finds slow regular expressions', () => {
  test.each([
    [/^(?:a+)+$/, 'exponential'],
    [/^(?:a|aa)*$/, 'exponential'],
    [/^[a-z0-9]+(?:[._-]*[a-z0-9]+)*$/, 'exponential'],
    [/^a*a*$/, 'polynomial'],
    [/\s+$/, 'polynomial'],
    [/^a+b$/, 'linear'],
  ])('finds %s to be %s', (regex, time) => {
    expect(timeOf(regex)).toBe(time);
  });
});

describe('regular expressions in src', () => {
  test('are found, in the files that read what strangers write', () => {
    expect(LITERALS.length).toBeGreaterThan(30);
    const files = new Set(LITERALS.map(({ file }) => file));
    for (const file of ['image/reference.ts', 'image/digest.ts', 'registry/challenge.ts', 'pins/revision.ts'])
      expect(files).toContain(file);
  });

  test('are literals, never put together from texts', () => {
    const made = FILES.filter((file) => /\bRegExp\(/.test(readFileSync(`${SRC}/${file}`, 'utf8')));
    expect(made).toEqual([]);
  });

  test.each(LITERALS.filter(({ file, literal }) => EXCEPTIONS[file] !== literal))(
    '$literal in $file takes linear time',
    ({ regex }) => {
      expect(['linear', 'safe']).toContain(timeOf(regex));
    },
  );

  test('that are an exception are still there', () => {
    for (const [file, literal] of Object.entries(EXCEPTIONS))
      expect(LITERALS).toContainEqual(expect.objectContaining({ file, literal }));
  });
});
