import { describe, expect, test } from '@jest/globals';
import type { FailedImage, FoundImage, Platforms } from '../../../src/commands/image-lookup.ts';
import type { ResolveFailure } from '../../../src/commands/resolve-failure.ts';
import { chooseLayout, failuresText } from '../../../src/commands/resolve-text.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { digest } from '../../support/digests.ts';

const A = digest('a');
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const EIGHT = ['amd64', 'arm64/v8', 'arm/v7', 'arm/v6', '386', 'ppc64le', 's390x', 'riscv64'].map(
  (processor) => `linux/${processor}`,
);

function found(written: string, more: Partial<FoundImage> = {}): FoundImage {
  const reference = parseReference(written);
  const platforms: Platforms = { of: 'index', names: ['linux/amd64'] };
  const plain = { digest: reference.digest ?? A, mediaType: OCI_INDEX, platforms, durationMs: 12.3 };
  return { is: 'found', reference, ...plain, ...more };
}

function laidOut(
  images: readonly FoundImage[],
  columns?: number,
  more: { showPlatforms?: boolean; emphasize?: (text: string) => string } = {},
): string {
  const layout = chooseLayout({
    references: images.map(({ reference }) => reference),
    columns,
    showPlatforms: true,
    emphasize: (text) => text,
    ...more,
  });
  return (layout.header ?? '') + images.map((image) => layout.image(image)).join('');
}

function lastCell(platforms: Platforms | undefined, columns?: number): string {
  const [, row = ''] = laidOut([found('nginx', { platforms })], columns).split('\n');
  return row.split(/ {2,}/).at(-1) ?? '';
}

function bracketed(text: string): string {
  return `<${text}>`;
}

function failed(image: string, failure: Partial<ResolveFailure> = {}): FailedImage {
  return {
    is: 'failed',
    written: image,
    reference: undefined,
    failure: {
      class: 'unreachable',
      message: 'the registry is unreachable',
      cause: 'a:5000 gave no answer',
      nextStep: 'try again',
      ...failure,
    },
    durationMs: 1,
  };
}

describe('the table', () => {
  test('has columns as wide as what stands in them, and no spaces at the end', () => {
    const images = [found('nginx'), found('registry.example.com:5000/shop/web:1.0', { durationMs: 1_234 })];
    expect(laidOut(images)).toBe(
      [
        `REGISTRY                   REPOSITORY     TAG     DIGEST${' '.repeat(67)}TYPE          TIME    PLATFORMS`,
        `docker.io                  library/nginx  latest  ${A}  OCI index     12 ms   linux/amd64`,
        `registry.example.com:5000  shop/web       1.0     ${A}  OCI index     1.2 s   linux/amd64`,
        '',
      ].join('\n'),
    );
  });

  test.each([
    [OCI_INDEX, 'OCI index'],
    ['application/vnd.oci.image.manifest.v1+json', 'OCI image'],
    ['application/vnd.docker.distribution.manifest.list.v2+json', 'Docker index'],
    ['application/vnd.docker.distribution.manifest.v2+json', 'Docker image'],
    [undefined, '-'],
  ])('calls %s %s', (mediaType, short) => {
    expect(
      laidOut([found('nginx', { mediaType })])
        .split('\n')[1]
        ?.split(/ {2,}/)[4],
    ).toBe(short);
  });

  test('marks a digest that was written, and has no tag for it', () => {
    expect(laidOut([found(`nginx@${A}`)])).toContain(`  -    ${A} (as written)  OCI index`);
  });

  const failure = { class: 'throttled' } as ResolveFailure;
  test.each<[string, Platforms | undefined, string]>([
    ['all of an index', { of: 'index', names: EIGHT }, EIGHT.join(', ')],
    ['none of an index that names none', { of: 'index', names: [] }, 'none named'],
    ['one of an image', { of: 'image' }, 'single platform'],
    ['why they were not read', { of: 'unread', failure }, 'not read: throttled'],
  ])('shows of the platforms %s', (_what, platforms, text) => {
    expect(lastCell(platforms)).toBe(text);
  });

  test('has no column of platforms where none were asked for', () => {
    expect(laidOut([found('nginx')], undefined, { showPlatforms: false })).not.toContain('PLATFORMS');
  });
});

describe('at a terminal', () => {
  const many: Platforms = { of: 'index', names: EIGHT };

  test.each([150, 160, 175, 200, 300])('of %i columns no line of the table is longer', (columns) => {
    const lines = laidOut([found('nginx', { platforms: many })], columns).split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  });

  test('platforms for which there is no room are counted', () => {
    expect(lastCell(many, 160)).toMatch(/^linux\/amd64, linux\/arm64\/v8 \+6$/);
    expect(lastCell(many, 300)).toBe(EIGHT.join(', '));
  });

  test('that is too narrow for the table each image has three lines', () => {
    const images = [
      found('nginx:1', { platforms: many }),
      found(`nginx@${A}`, { platforms: { of: 'image' } }),
    ];
    expect(laidOut(images, 80)).toBe(
      [
        'docker.io/library/nginx:1',
        `  ${A}`,
        '  OCI index  12 ms  linux/amd64, linux/arm64/v8, linux/arm/v7, linux/arm/v6 +4',
        'docker.io/library/nginx',
        `  ${A}`,
        '  digest as written  OCI index  12 ms  single platform',
        '',
      ].join('\n'),
    );
    expect(laidOut(images, 30)).toContain('\n  OCI index  12 ms  8 platforms\n');
  });

  test('the header, or what names an image, is emphasized; nothing else is', () => {
    const emphasize = bracketed;
    expect(laidOut([found('nginx')], 300, { emphasize })).toMatch(/^<REGISTRY.*PLATFORMS>\n[^<>]*$/);
    expect(laidOut([found('nginx')], 80, { emphasize })).toMatch(/^<[^\n]*nginx:latest>\n[^<>]*$/);
  });
});

describe('failures', () => {
  test('that are the same stand together, in the order of the images', () => {
    const text = failuresText([
      failed('a:5000/x'),
      failed('B', { class: 'invalid_reference', message: 'no image', cause: undefined, nextStep: 'mend it' }),
      failed('a:5000/y'),
    ]);
    expect(text).toBe(
      [
        'unreachable: the registry is unreachable',
        '  a:5000/x',
        '  a:5000/y',
        '  cause: a:5000 gave no answer',
        '  next:  try again',
        '',
        'invalid_reference: no image',
        '  B',
        '  next:  mend it',
      ].join('\n'),
    );
  });

  test('of images whose ends cannot be seen have them in quotes', () => {
    expect(failuresText([failed(''), failed(' nginx')])).toContain('\n  ""\n  " nginx"\n');
  });

  test('with another cause stand apart', () => {
    const text = failuresText([failed('a:5000/x'), failed('b:5000/x', { cause: 'b:5000 gave no answer' })]);
    expect(text.match(/^unreachable/gm)).toHaveLength(2);
  });
});
