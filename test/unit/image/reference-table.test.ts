import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { InvalidReferenceError, parseReference, type ImageReference } from '../../../src/image/reference.ts';

// Our parser beside the real github.com/distribution/reference: the table holds that library's own answers.

const TABLE = fileURLToPath(new URL('../../fixtures/reference-table.json', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../support/reference-table', import.meta.url));

/** What the library says of one text: its parts, or why it is none. */
interface Answer {
  readonly input: string;
  readonly domain?: string;
  readonly path?: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly error?: string;
}

interface Table {
  readonly chosen: readonly Answer[];
  /** All texts over an alphabet up to a length; those not listed are refused. */
  readonly every: {
    readonly alphabet: string;
    readonly maxLength: number;
    readonly valid: readonly Answer[];
  };
}

const tableText = readFileSync(TABLE, 'utf8');
const table = JSON.parse(tableText) as Table;

/** The four ways in which we differ on purpose, and no other: each says what the library's answer becomes. */
const DEVIATIONS: readonly {
  readonly why: string;
  readonly holdsFor: (answer: Answer) => boolean;
  readonly becomes: (answer: Answer) => Answer;
}[] = [
  {
    why: 'no port is 0 or above 65535: the library takes any digits, but nobody can connect there',
    holdsFor: ({ domain = '' }) => {
      const port = /:(\d+)$/.exec(domain)?.[1];
      return port !== undefined && (Number(port) === 0 || Number(port) > 65_535);
    },
    becomes: refused,
  },
  {
    why: 'no text is longer than 4096 characters: no host name is, and so nobody can connect there',
    holdsFor: ({ input }) => input.length > 4096,
    becomes: refused,
  },
  {
    why: 'Docker Hub in capitals is another host to every runtime, and has no registry',
    holdsFor: ({ domain = '' }) =>
      domain !== 'docker.io' && ['docker.io', 'index.docker.io'].includes(domain.toLowerCase()),
    becomes: refused,
  },
  {
    why: 'a host with an underscore is no domain to the library, but containerd asks what is before the slash',
    holdsFor: ({ domain, error }) => error === undefined && (domain ?? '') === '',
    becomes: (answer) => {
      const { path = '' } = answer;
      const slash = path.indexOf('/');
      return { ...answer, domain: path.slice(0, slash), path: path.slice(slash + 1) };
    },
  },
];

function refused({ input }: Answer): Answer {
  return { input, error: 'refused' };
}

/** Our answer in the table's form. Any error but the one is passed on. */
function ours(input: string): Answer {
  let reference: ImageReference;
  try {
    reference = parseReference(input);
  } catch (error) {
    if (!(error instanceof InvalidReferenceError)) throw error;
    return { input, error: error.message };
  }
  const { domain, path, tag, digest } = reference;
  return {
    input,
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** Both answers as one text each, with all refusals alike: what is compared. */
function text({ input, error, domain, path, tag, digest }: Answer): string {
  return JSON.stringify([input, error === undefined ? { domain, path, tag, digest } : 'refused']);
}

/** Where we differ: ours, and what it should be. */
function differences(answers: readonly Answer[]): [string, string][] {
  return answers
    .map((answer): [string, string] => {
      const deviation = DEVIATIONS.find(({ holdsFor }) => holdsFor(answer));
      return [text(ours(answer.input)), text(deviation?.becomes(answer) ?? answer)];
    })
    .filter(([is, should]) => is !== should);
}

describe('the table of distribution/reference', () => {
  test('has thousands of texts, hundreds of them valid, with every kind of error', () => {
    const errors = new Set(table.chosen.flatMap(({ error }) => error ?? []));
    expect(table.chosen.length).toBeGreaterThan(5_000);
    expect(table.chosen.filter(({ error }) => error === undefined).length).toBeGreaterThan(500);
    expect([...errors].toSorted()).toEqual([
      'cannot specify 64-byte hexadecimal strings',
      'invalid checksum digest format',
      'invalid checksum digest length',
      'invalid reference format',
      'must be lowercase',
      'repository name must not be more than 255 characters',
      'unsupported digest algorithm',
    ]);
  });

  test('is ours: every chosen text is read or refused alike', () => {
    expect(differences(table.chosen)).toEqual([]);
  });

  test('is ours: of all short texts the same are valid, with the same parts', () => {
    const { alphabet, maxLength, valid } = table.every;
    const answers = new Map(valid.map((answer) => [answer.input, answer]));
    const texts = everyText(alphabet, maxLength);
    expect(texts).toHaveLength((alphabet.length ** (maxLength + 1) - 1) / (alphabet.length - 1));
    expect(differences(texts.map((input) => answers.get(input) ?? refused({ input })))).toEqual([]);
  });

  test.each(DEVIATIONS)('differs only where $why', ({ holdsFor, becomes }) => {
    const different = table.chosen.filter(
      (answer) => holdsFor(answer) && text(becomes(answer)) !== text(answer),
    );
    expect(different.length).toBeGreaterThan(2);
    // The library reads these: a deviation for what it refuses anyway would be none.
    expect(different.filter(({ error }) => error !== undefined)).toEqual([]);
    for (const { input } of different) expect(text(ours(input))).not.toBe(text(answerTo(input)));
  });
});

const program = spawnSync('go', ['run', '-trimpath', '.'], {
  cwd: PROGRAM,
  encoding: 'utf8',
  maxBuffer: 1 << 26,
  env: { ...process.env, GOFLAGS: '-buildvcs=false', CGO_ENABLED: '0' },
});
const testWithGo = program.status === 0 ? test : test.skip;
if (program.status !== 0) {
  process.stderr.write(
    `THE TABLE OF REFERENCES IS NOT MADE ANEW: Go or its modules are not on this machine; ${program.error?.message ?? program.stderr}\n`,
  );
}

testWithGo('the table is what the library says today (otherwise: npm run reference-table)', () => {
  expect(program.stdout === tableText).toBe(true);
});

function everyText(alphabet: string, length: number, prefix = ''): string[] {
  if (length === 0) return [prefix];
  return [
    prefix,
    ...Array.from(alphabet).flatMap((character) => everyText(alphabet, length - 1, prefix + character)),
  ];
}

function answerTo(input: string): Answer {
  return table.chosen.find((answer) => answer.input === input) ?? refused({ input });
}
