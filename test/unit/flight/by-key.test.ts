import { expect, test } from '@jest/globals';
import { ByKey } from '../../../src/flight/by-key.ts';

test.each(['a', '__proto__', 'constructor', ''])(
  'a thing by the name %j is there until it is taken away',
  (key) => {
    const things = new ByKey<string>();
    expect(things.get(key)).toBeUndefined();
    things.set(key, 'first');
    things.set(key, 'second');
    expect([things.get(key), things.size]).toEqual(['second', 1]);
    things.delete(key);
    things.delete(key);
    expect([things.get(key), things.size]).toEqual([undefined, 0]);
  },
);
