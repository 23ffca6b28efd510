import { describe, expect, test } from '@jest/globals';
import {
  annotationFits,
  annotationsOf,
  IMAGES_ANNOTATION,
  readRecordedImages,
  writeRecordedImages,
} from '../../../src/pins/recorded-images.ts';
import { digest } from '../../support/digests.ts';

const LIMIT_BYTES = 256 * 1024;

function annotated(text: unknown): Record<string, unknown> {
  return { metadata: { annotations: { [IMAGES_ANNOTATION]: text } } };
}

describe('recorded images', () => {
  test('are read as they were written', () => {
    const images = new Map([
      ['web', { reference: 'nginx:1', digest: digest('a') }],
      ['volume/data', { reference: 'data', digest: digest('b') }],
    ]);
    expect(readRecordedImages(annotated(writeRecordedImages(images)))).toEqual(images);
  });

  test('are a JSON object by container, which other tools can read', () => {
    const text = writeRecordedImages(new Map([['web', { reference: 'nginx:1', digest: digest('a') }]]));
    expect(JSON.parse(text)).toEqual({ web: { reference: 'nginx:1', digest: digest('a') } });
  });

  test.each([
    ['no annotation', {}],
    ['no text', annotated(1)],
    ['no JSON', annotated('{')],
    ['a list', annotated('[]')],
    ['null', annotated('null')],
    ['an entry that is a text', annotated('{"web":"nginx:1"}')],
    ['an entry without a digest', annotated('{"web":{"reference":"nginx:1"}}')],
    ['an entry with a number', annotated('{"web":{"reference":"nginx:1","digest":1}}')],
    ['null metadata', { metadata: null }],
    ['a list as annotations', { metadata: { annotations: ['x'] } }],
  ])('are none where there is %s', (_what, object) => {
    expect(readRecordedImages(object)).toEqual(new Map());
  });

  test('that can be read are read beside others that cannot', () => {
    const text = `{"bad":7,"web":{"reference":"nginx:1","digest":"${digest('a')}","more":1}}`;
    expect(readRecordedImages(annotated(text))).toEqual(
      new Map([['web', { reference: 'nginx:1', digest: digest('a') }]]),
    );
  });

  test('of a container called __proto__ are an entry like any other', () => {
    const record = { reference: 'nginx:1', digest: digest('a') };
    const images = new Map([['__proto__', record]]);
    expect(readRecordedImages(annotated(writeRecordedImages(images)))).toEqual(images);
    expect(({} as Record<string, unknown>)['reference']).toBeUndefined();
  });
});

test('annotations that are no texts are passed over', () => {
  const annotations = { a: 'text', b: 1, c: null, d: {} };
  expect(annotationsOf({ metadata: { annotations } })).toEqual(new Map([['a', 'text']]));
});

describe('an annotation fits', () => {
  const ours = IMAGES_ANNOTATION.length;

  test('up to 256 KiB of names and values, and no further', () => {
    const text = 'x'.repeat(LIMIT_BYTES - ours);
    expect(annotationFits({}, text)).toBe(true);
    expect(annotationFits({}, `${text}x`)).toBe(false);
  });

  test('beside the other annotations, counted with their names', () => {
    const object = { metadata: { annotations: { other: 'y'.repeat(100_000) } } };
    const left = LIMIT_BYTES - ours - 100_000 - 'other'.length;
    expect(annotationFits(object, 'x'.repeat(left))).toBe(true);
    expect(annotationFits(object, 'x'.repeat(left + 1))).toBe(false);
  });

  test('in the place of its older text', () => {
    expect(annotationFits(annotated('z'.repeat(LIMIT_BYTES - ours)), 'short')).toBe(true);
  });

  test('by its bytes, not its characters', () => {
    expect(annotationFits({}, 'é'.repeat((LIMIT_BYTES - ours) / 2 + 1))).toBe(false);
  });
});
