import { expect, test } from '@jest/globals';
import { Slots } from '../../../src/flight/slots.ts';

test('what is held is there until it is let go', () => {
  const slots = new Slots<string>();
  const [a, , c] = ['a', 'b', 'c'].map((thing) => slots.hold(thing));
  expect(slots.held()).toEqual(['a', 'b', 'c']);
  a?.();
  c?.();
  expect(slots.held()).toEqual(['b']);
});

test('what comes takes the room of what left, and nothing else', () => {
  const slots = new Slots<number>();
  const letGo: (() => void)[] = [];
  for (let thing = 0; thing < 1_000; thing += 1) {
    letGo.push(slots.hold(thing));
    if (thing % 2 === 1) letGo.shift()?.();
    expect(slots.held()).toHaveLength(Math.ceil((thing + 1) / 2));
    expect(slots.held()).toContain(thing);
  }
});
