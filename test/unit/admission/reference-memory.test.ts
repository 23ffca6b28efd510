import { expect, test } from '@jest/globals';
import { ReferenceMemory } from '../../../src/admission/reference-memory.ts';
import { InvalidReferenceError, normalizedName, parseReference } from '../../../src/image/reference.ts';

test('a reference is read as without a memory, the first time and the next', () => {
  const memory = new ReferenceMemory();
  for (const written of ['nginx:1', 'registry.test:5000/shop/web:1.0', `a/${'b'.repeat(200)}:1`]) {
    const reference = parseReference(written);
    const wanted = { reference, name: normalizedName(reference) };
    expect(memory.read(written)).toEqual(wanted);
    expect(memory.read(written)).toEqual(wanted);
  }
});

test('what was read is given again, not read again', () => {
  const memory = new ReferenceMemory();
  expect(memory.read('nginx:1')).toBe(memory.read('nginx:1'));
});

test('what is no reference is told each time, and what is very long is not kept', () => {
  const memory = new ReferenceMemory();
  expect(memory.read('Nginx:1')).toBeInstanceOf(InvalidReferenceError);
  expect(memory.read('Nginx:1')).toBeInstanceOf(InvalidReferenceError);
  const long = `${'a.'.repeat(300)}test/web:1`;
  expect(memory.read(long)).not.toBe(memory.read(long));
});

test('as many are kept as it has room for', () => {
  const memory = new ReferenceMemory();
  const first = memory.read('image-0:1');
  for (let index = 1; index <= 2_000; index += 1) memory.read(`image-${index}:1`);
  expect(memory.read('image-0:1')).not.toBe(first);
});
