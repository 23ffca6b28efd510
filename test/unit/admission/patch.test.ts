import { describe, expect, test } from '@jest/globals';
import { applyPatch } from 'rfc6902';
import {
  IMAGES_ANNOTATION,
  readRecordedImages,
  writeRecordedImages,
} from '../../../src/pins/recorded-images.ts';
import { annotationPatch, escapePointer } from '../../../src/admission/patch.ts';
import { digest } from '../../support/digests.ts';
import { patchedPod } from '../../support/deciding.ts';

const IMAGES = new Map([['web', { reference: 'nginx:1', digest: digest('a') }]]);
const CHANGES = { [IMAGES_ANNOTATION]: writeRecordedImages(IMAGES) };

describe('a token of a JSON pointer', () => {
  test.each([
    ['plain', 'plain'],
    ['a/b', 'a~1b'],
    ['a~b', 'a~0b'],
    ['~1', '~01'],
    ['~/~/', '~0~1~0~1'],
    ['', ''],
  ])('%j is written %j', (token, escaped) => {
    expect(escapePointer(token)).toBe(escaped);
  });

  test.each(['samebytes.dev/images', '~', '~0', '~1', '~01', 'a/b~c//'])(
    'names the key %j and no other',
    (key) => {
      const object = {};
      applyPatch(object, [{ op: 'add', path: `/${escapePointer(key)}`, value: 1 }]);
      expect(object).toEqual({ [key]: 1 });
    },
  );
});

describe('the annotation that keeps the original visible', () => {
  test.each([
    ['without metadata', { spec: {} }],
    ['with null metadata', { metadata: null }],
    ['without annotations', { metadata: { name: 'web' } }],
    ['with null annotations', { metadata: { annotations: null } }],
    ['with annotations', { metadata: { annotations: { other: 'kept' } } }],
    ['with an older text of ours', { metadata: { annotations: { [IMAGES_ANNOTATION]: '{}' } } }],
  ])('is added to a Pod %s', (_how, object) => {
    const after = patchedPod(object, annotationPatch(object, CHANGES));
    expect(readRecordedImages(after as never)).toEqual(IMAGES);
  });

  test('leaves other annotations and metadata as they are', () => {
    const object = { metadata: { name: 'web', annotations: { other: 'kept', 'a/b': 'too' } } };
    expect(patchedPod(object, annotationPatch(object, CHANGES))).toMatchObject(object);
  });

  test('costs no operation where it says so already', () => {
    const object = { metadata: {} };
    const after = patchedPod(object, annotationPatch(object, CHANGES));
    expect(annotationPatch(after as never, CHANGES)).toEqual([]);
  });

  test('costs no operation where there is nothing to say', () => {
    expect(annotationPatch({}, {})).toEqual([]);
  });

  test('is taken away where there is nothing to say any more, and only then', () => {
    const object = { metadata: { annotations: { [IMAGES_ANNOTATION]: '{}', other: 'kept' } } };
    const gone = { [IMAGES_ANNOTATION]: undefined };
    expect(patchedPod(object, annotationPatch(object, gone))).toEqual({
      metadata: { annotations: { other: 'kept' } },
    });
    expect(annotationPatch({ metadata: {} }, gone)).toEqual([]);
    expect(annotationPatch({}, gone)).toEqual([]);
  });
});
