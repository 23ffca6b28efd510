import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  hostOf,
  InvalidReferenceError,
  normalizedName,
  parseReference,
  withDigest,
  type ImageReference,
} from '../../../src/image/reference.ts';
import { errorOf } from '../../support/settings-files.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('a reference is normalised as distribution/reference does it', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1', 'docker.io/library/nginx:1'],
    ['library/nginx:1', 'docker.io/library/nginx:1'],
    ['docker.io/nginx:1', 'docker.io/library/nginx:1'],
    ['index.docker.io/nginx:1', 'docker.io/library/nginx:1'],
    ['docker.io/library/nginx:1', 'docker.io/library/nginx:1'],
    ['grafana/loki:3', 'docker.io/grafana/loki:3'],
    ['a/b/c:1', 'docker.io/a/b/c:1'],
    ['ghcr.io/org/app:v1', 'ghcr.io/org/app:v1'],
    ['localhost/app:1', 'localhost/app:1'],
    ['localhost:5000/shop/web:1.0', 'localhost:5000/shop/web:1.0'],
    ['registry:5000/app', 'registry:5000/app:latest'],
    ['127.0.0.1:5000/app:1', '127.0.0.1:5000/app:1'],
    ['[::1]:5000/app:1', '[::1]:5000/app:1'],
    ['[2001:db8::1]/app:1', '[2001:db8::1]/app:1'],
    ['Registry/app:1', 'REGISTRY/app:1'],
    ['REGISTRY/app:1', 'REGISTRY/app:1'],
    ['LocalHost/app:1', 'localhost/app:1'],
    ['Ghcr.IO/org/app:V1', 'ghcr.io/org/app:V1'],
    ['my_registry.internal/app:1', 'my_registry.internal/app:1'],
    ['my_registry/app:1', 'docker.io/my_registry/app:1'],
    ['a--b/c__d/e.f:1_2.3-4', 'docker.io/a--b/c__d/e.f:1_2.3-4'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    [`nginx:1@${DIGEST}`, `docker.io/library/nginx:1@${DIGEST}`],
    [`nginx@sha512:${'0'.repeat(128)}`, `docker.io/library/nginx@sha512:${'0'.repeat(128)}`],
    [`app:${'t'.repeat(128)}`, `docker.io/library/app:${'t'.repeat(128)}`],
    [`r.io/${'p'.repeat(255)}:1`, `r.io/${'p'.repeat(255)}:1`],
    ['f'.repeat(63), `docker.io/library/${'f'.repeat(63)}:latest`],
  ])('%.60s', (written, name) => {
    expect(normalizedName(parseReference(written))).toBe(name);
  });
});

describe('a reference that neither Kubernetes nor containerd reads is refused', () => {
  test.each([
    '',
    ' ',
    ' nginx',
    'nginx ',
    'nginx\n',
    'nginx:',
    'nginx:1:2',
    'nginx:-1',
    'nginx:.1',
    `nginx:${'t'.repeat(129)}`,
    'nginx:ä',
    'Nginx',
    'library/Nginx',
    'nginx@',
    'nginx@sha256:abc',
    `nginx@sha256:${'A'.repeat(64)}`,
    `nginx@md5:${'a'.repeat(32)}`,
    `nginx@${DIGEST}@${DIGEST}`,
    `@${DIGEST}`,
    ':1',
    '/nginx',
    'nginx/',
    'a//b',
    'a/_b',
    'a/b_',
    'a___b',
    'a..b',
    'https://ghcr.io/org/app',
    'ghcr.io:port/app',
    'ghcr.io:/app',
    'ghcr.io:0/app',
    'ghcr.io:65536/app',
    '-ghcr.io/app',
    'ghcr-.io/app',
    'ghcr..io/app',
    '[::1/app',
    '[fe80::1%25eth0]/app',
    'my_registry:5000/app',
    `my_registry.internal/${'p'.repeat(255)}`,
    'Docker.IO/nginx',
    'INDEX.docker.io/nginx',
    'user@ghcr.io/app',
    'ghcr.io/../app',
    'ghcr.io/app?x=1',
    'ghcr.io/app#x',
    'ghcr.io/%2e%2e/app',
    'a'.repeat(64),
    `r.io/${'p'.repeat(256)}`,
    'nginx\u0000',
    '鏡像:1',
  ])('%.60j', (written) => {
    expect(() => parseReference(written)).toThrow(InvalidReferenceError);
  });
});

describe('a digest is added to what the user wrote', () => {
  test.each([
    ['nginx', `nginx@${DIGEST}`, `nginx@${DIGEST}`],
    ['nginx:1', `nginx@${DIGEST}`, `nginx:1@${DIGEST}`],
    ['index.docker.io/nginx:1', `index.docker.io/nginx@${DIGEST}`, `index.docker.io/nginx:1@${DIGEST}`],
    ['Ghcr.IO:443/org/app:V1', `Ghcr.IO:443/org/app@${DIGEST}`, `Ghcr.IO:443/org/app:V1@${DIGEST}`],
    ['[::1]:5000/app', `[::1]:5000/app@${DIGEST}`, `[::1]:5000/app@${DIGEST}`],
  ])('%s', (written, plain, tagged) => {
    const reference = parseReference(written);
    expect(withDigest(reference, DIGEST, { keepTag: false })).toBe(plain);
    expect(withDigest(reference, DIGEST, { keepTag: true })).toBe(tagged);
  });
});

test('the host that is contacted is in lower case, the spelling in the Pod is the author’s', () => {
  const reference = parseReference('Registry.Example:5000/app:1');
  expect(hostOf(reference)).toBe('registry.example:5000');
  expect(reference.domain).toBe('Registry.Example:5000');
});

/** The reference; undefined where the text is none. Any error but the one is passed on. */
function read(written: string): ImageReference | undefined {
  try {
    return parseReference(written);
  } catch (error) {
    if (error instanceof InvalidReferenceError) return undefined;
    throw error;
  }
}

const label = fc.stringMatching(/^[A-Za-z0-9]{1,8}(-{1,2}[A-Za-z0-9]{1,8})?$/);
const component = fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,4})?$/);
const host = fc.oneof(
  fc.constant('localhost'),
  fc.tuple(label, label).map((labels) => labels.join('.')),
  fc.stringMatching(/^[a-z]{1,8}[A-Z][a-z]{1,8}$/),
  fc.ipV4(),
  fc.stringMatching(/^\[[0-9a-fA-F]{0,4}:[0-9a-fA-F:]{0,20}\]$/),
);
const underscoreHost = fc.stringMatching(/^[a-z0-9]{1,8}_[a-z0-9]{1,8}\.[a-z]{2,4}$/);
const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
const domain = fc.oneof(
  fc.tuple(host, port).map(([name, number]) => (number === undefined ? name : `${name}:${number}`)),
  underscoreHost,
);
const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/), { nil: undefined });
const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
const anyDigest = fc.option(
  fc.oneof(
    hex(64).map((text) => `sha256:${text}`),
    hex(96).map((text) => `sha384:${text}`),
    hex(128).map((text) => `sha512:${text}`),
  ),
  { nil: undefined },
);

/** The parts that a reference is printed from. */
interface Parts {
  readonly domain: string | undefined;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const parts: fc.Arbitrary<Parts> = fc.record({
  domain: fc.option(domain, { nil: undefined }),
  path,
  tag,
  digest: anyDigest,
});

function print({ domain: inFront, path: name, tag: label_, digest }: Parts): string {
  const start = inFront === undefined ? '' : `${inFront}/`;
  return `${start}${name}${label_ === undefined ? '' : `:${label_}`}${digest === undefined ? '' : `@${digest}`}`;
}

describe('for every text', () => {
  test('print, then parse, gives the parts back, in the spelling that they had', () => {
    fc.assert(
      fc.property(parts, domain, (made, madeDomain) => {
        const written = print({ ...made, domain: madeDomain });
        const named = print({ ...made, domain: madeDomain, tag: undefined, digest: undefined });
        const defaultTag = made.digest === undefined ? 'latest' : undefined;
        expect(parseReference(written)).toEqual({
          written,
          writtenRepository: named,
          domain: madeDomain,
          path: made.path,
          tag: made.tag ?? defaultTag,
          digest: made.digest,
        });
      }),
      { numRuns: 1_000 },
    );
  });

  test('parse, then print, gives a text with the same meaning, and again the same text', () => {
    fc.assert(
      fc.property(parts, (made) => {
        const written = print(made);
        const reference = read(written);
        // 64 hexadecimal digits, or a first part that makes the rest too long.
        fc.pre(reference !== undefined);
        const again = parseReference(print(reference));
        const { domain: host_, path: path_, tag: tag_, digest } = reference;
        expect(again).toMatchObject({ domain: host_, path: path_, tag: tag_, digest });
        expect(print(again)).toBe(print(reference));
      }),
      { numRuns: 1_000 },
    );
  });

  test('normalising is done once: a normalised name is its own', () => {
    fc.assert(
      fc.property(parts, (made) => {
        const reference = read(print(made));
        fc.pre(reference !== undefined);
        const name = normalizedName(reference);
        expect(normalizedName(parseReference(name))).toBe(name);
      }),
      { numRuns: 1_000 },
    );
  });

  test('the host for the wire is the domain in lower case, and nothing but ASCII', () => {
    fc.assert(
      fc.property(parts, (made) => {
        const reference = read(print(made));
        fc.pre(reference !== undefined);
        expect(hostOf(reference)).toBe(reference.domain.toLowerCase());
        expect(hostOf(reference)).toMatch(/^[a-z0-9._\-:[\]]+$/);
      }),
    );
  });

  test('nothing but the one error is thrown, and what is pinned reads back as the same repository', () => {
    const near = fc.string({ unit: fc.constantFrom(...Array.from('aZ0:/@.-_[]% \n')), maxLength: 40 });
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: 'binary' }), path), (written) => {
        const reference = read(written);
        fc.pre(reference !== undefined);
        const pinned = parseReference(withDigest(reference, DIGEST, { keepTag: false }));
        expect([pinned.domain, pinned.path, pinned.digest]).toEqual([
          reference.domain,
          reference.path,
          DIGEST,
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    'a'.repeat(100_000),
    'a/'.repeat(50_000),
    'a-'.repeat(50_000),
    `a${'-'.repeat(100_000)}!`,
    `${'a.'.repeat(50_000)}/b`,
    `[${':'.repeat(100_000)}`,
    `a:${'1'.repeat(100_000)}`,
    `a@sha256:${'a'.repeat(100_000)}`,
  ])('100 KB are refused with a short message: %.12s…', (written) => {
    const error = errorOf(() => parseReference(written));
    expect(error).toBeInstanceOf(InvalidReferenceError);
    expect((error as Error).message.length).toBeLessThan(200);
  });
});
