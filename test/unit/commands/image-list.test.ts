import { describe, expect, test } from '@jest/globals';
import { listImages } from '../../../src/commands/image-list.ts';
import type { Surroundings } from '../../../src/commands/surroundings.ts';

function input(chunks: readonly (string | Uint8Array)[], isTTY = false): Surroundings['input'] {
  return {
    isTTY,
    read: async function* () {
      yield* chunks;
    },
  };
}

const UNREAD: Surroundings['input'] = {
  isTTY: false,
  read: () => {
    throw new Error('standard input was read');
  },
};

describe('images', () => {
  test('are the arguments, each once, and standard input is not read', async () => {
    expect(await listImages(['nginx', 'redis', 'nginx'], UNREAD)).toEqual(['nginx', 'redis']);
  });

  test('come from a terminal where - asks for that', async () => {
    expect(await listImages(['-'], input(['nginx\n'], true))).toEqual(['nginx']);
  });

  test('are read once, however often - stands there', async () => {
    expect(await listImages(['-', 'redis', '-'], input(['nginx\n']))).toEqual(['nginx', 'redis']);
  });

  test('come in pieces, of bytes too, that may end inside a character', async () => {
    const bytes = new TextEncoder().encode('ngi\nwëb\n');
    const pieces = [bytes.slice(0, 2), bytes.slice(2, 6), bytes.slice(6)];
    expect(await listImages([], input(pieces))).toEqual(['ngi', 'wëb']);
  });

  test.each([
    ['nginx # web', ['nginx']],
    ['nginx\t#web', ['nginx']],
    ['#nginx\u2028redis', []],
    ['nginx#1', ['nginx#1']],
    ['two words', ['two words']],
    ['a\r\n\r\nb\r', ['a', 'b']],
  ])('in the lines %j are %j', async (text, images) => {
    expect(await listImages(['first'], UNREAD)).toEqual(['first']);
    expect(await listImages(['-', 'last'], input([text]))).toEqual([...images, 'last']);
  });
});

test('without any at a terminal, the message says how to name them, and nothing is waited for', async () => {
  const terminal = { ...UNREAD, isTTY: true };
  await expect(listImages([], terminal)).rejects.toThrow(/no image is named: .*`-`/);
});

test('standard input that cannot be read is said by its code', async () => {
  const broken: Surroundings['input'] = {
    isTTY: false,
    read: async function* () {
      yield 'nginx';
      throw Object.assign(new Error('EISDIR: illegal operation'), { code: 'EISDIR' });
    },
  };
  await expect(listImages(['-'], broken)).rejects.toThrow('cannot read standard input (EISDIR)');
});
