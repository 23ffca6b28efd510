import { describe, expect, test } from '@jest/globals';
import { isObject, parseObject } from '../../../src/json/json-object.ts';

describe('a JSON object', () => {
  test.each([{}, { a: 1 }, Object.create(null)])('is %j', (value: unknown) => {
    expect(isObject(value)).toBe(true);
  });

  test.each([null, undefined, [], [{}], 'text', '', 0, true, () => {}])('is not %p', (value) => {
    expect(isObject(value)).toBe(false);
  });
});

describe('a text', () => {
  test.each([
    ['{}', {}],
    [' {"a": {"b": [1]}} \n', { a: { b: [1] } }],
  ])('%j holds an object', (text, object) => {
    expect(parseObject(text)).toEqual(object);
  });

  test.each(['', '{', 'null', '[]', '[{}]', '7', '"{}"', 'undefined', '{}{}', "{'a':1}"])(
    '%j holds none',
    (text) => {
      expect(parseObject(text)).toBeUndefined();
    },
  );

  test('with the key __proto__ holds an object with that key, and changes no other', () => {
    const object = parseObject('{"__proto__": {"polluted": true}}') ?? {};
    expect(Object.keys(object)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
