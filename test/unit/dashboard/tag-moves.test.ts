import { beforeEach, expect, test } from '@jest/globals';
import { TagMoves } from '../../../src/dashboard/tag-moves.ts';

const [A, B, C] = ['sha256:a', 'sha256:b', 'sha256:c'] as const;
let moves: TagMoves;
beforeEach(() => {
  moves = new TagMoves({ maxTags: 2 });
});

test('a fresh answer that differs from the one before is a move, once', () => {
  expect(moves.see('web:1', A, 'registry')).toBeUndefined();
  expect(moves.see('web:1', A, 'registry')).toBeUndefined();
  expect(moves.see('web:1', B, 'registry')).toEqual({ from: A, to: B });
  expect(moves.see('web:1', B, 'registry')).toBeUndefined();
});

test('a tag that moves back moves', () => {
  moves.see('web:1', A, 'registry');
  moves.see('web:1', B, 'registry');
  expect(moves.see('web:1', A, 'registry')).toEqual({ from: B, to: A });
});

test('an old pin that serves again after its tag moved shows the move', () => {
  moves.see('web:1', A, 'registry');
  expect(moves.see('web:1', A, 'pin')).toBeUndefined();
  moves.see('web:1', B, 'registry');
  moves.see('web:1', C, 'registry');
  expect(moves.see('web:1', A, 'pin')).toEqual({ from: A, to: C });
});

test('a fresh answer beside a pin that was seen first is a move', () => {
  moves.see('web:1', A, 'pin');
  expect(moves.see('web:1', B, 'registry')).toEqual({ from: A, to: B });
});

test('a pin with a digest that was never seen says nothing: it may be a later birth elsewhere', () => {
  moves.see('web:1', A, 'registry');
  expect(moves.see('web:1', B, 'pin')).toBeUndefined();
  expect(moves.see('web:1', A, 'pin')).toBeUndefined();
});

test('an answer from the cache that was refreshed meanwhile is a move; one that was overtaken is not', () => {
  moves.see('web:1', A, 'registry');
  expect(moves.see('web:1', B, 'cache')).toEqual({ from: A, to: B });
  expect(moves.see('web:1', A, 'cache')).toBeUndefined();
  expect(moves.see('web:1', B, 'cache')).toBeUndefined();
});

test.each(['pod', 'sibling'] as const)('what a %s ran says nothing about the tag now', (source) => {
  moves.see('web:1', A, 'registry');
  expect(moves.see('web:1', B, source)).toBeUndefined();
  expect(moves.see('web:1', B, 'registry')).toEqual({ from: A, to: B });
});

test('two spellings of one reference are one tag, two tags are two', () => {
  moves.see('nginx:1', A, 'registry');
  expect(moves.see('nginx:2', B, 'registry')).toBeUndefined();
  expect(moves.see('docker.io/library/nginx:1', C, 'registry')).toEqual({ from: A, to: C });
});

test('what is no reference is no tag, and only so many tags are known', () => {
  expect(moves.see('<script>', A, 'registry')).toBeUndefined();
  for (const tag of ['1', '2', '3']) moves.see(`web:${tag}`, A, 'registry');
  expect(moves.see('web:1', B, 'registry')).toBeUndefined();
});
