import { beforeEach, expect, test } from '@jest/globals';
import type { PinnedImage } from '../../../src/pins/image-pin.ts';
import type { Revision } from '../../../src/pins/revision.ts';
import { TagMoves } from '../../../src/pins/tag-moves.ts';
import { FakeClock } from '../../support/clock.ts';
import { digest } from '../../support/digests.ts';

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digest(digit)) as [string, string, string];
const WEB = 'registry.test/web:1';
const HOUR_MS = 3_600_000;
let clock: FakeClock;
let moves: TagMoves;
let heard: string[];

function served(by: Revision, pinned: PinnedImage, pods?: number): void {
  moves.served({ revision: by, image: pinned }, pods);
}

beforeEach(() => {
  clock = new FakeClock();
  moves = new TagMoves({ maxTags: 3, now: clock.date });
  heard = [];
  moves.subscribe({
    moved: ({ reference, from, to }, by) =>
      void heard.push(`${reference} moved from ${short(from)} to ${short(to)}, says ${by?.name ?? 'nobody'}`),
    oldServed: ({ from, to }, by) => void heard.push(`${by.name} serves ${short(from)}, not ${short(to)}`),
  });
});

const short = (text: string): string => text.slice(-1);

function revision(name: string): Revision {
  return { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: name, namespace: 'shop' };
}

/** An entry of a pin, dated as the clock stands, or so much earlier. */
function image(sum: string, agoMs = 0, source: PinnedImage['source'] = 'resolved'): PinnedImage {
  const resolvedAt = new Date(clock.date().getTime() - agoMs).toISOString();
  return { reference: WEB, digest: sum, resolvedAt, source };
}

/** A registry says what the tag means, and a revision is pinned to that. */
function birth(name: string, sum: string): PinnedImage {
  moves.resolved(revision(name), WEB, sum);
  const pinned = image(sum);
  served(revision(name), pinned);
  return pinned;
}

test('a tag that means other bytes at the birth of the next revision has moved, which is said once', () => {
  const old = birth('old', A);
  clock.advance(1_000);
  birth('new', B);
  moves.resolved(undefined, WEB, B);
  expect(heard).toEqual([`${WEB} moved from a to b, says new`]);
  served(revision('old'), old);
  served(revision('old'), old);
  expect(heard.slice(1)).toEqual(['old serves a, not b', 'old serves a, not b']);
});

test('Pods of one revision that are told together are told as so many', () => {
  const pods: number[] = [];
  moves.subscribe({ oldServed: (_move, _revision, count) => void pods.push(count) });
  const old = birth('old', A);
  clock.advance(1_000);
  birth('new', B);
  served(revision('old'), old, 30);
  served(revision('old'), old);
  expect(pods).toEqual([30, 1]);
});

test('pins whose tag has not moved say nothing, however often they serve', () => {
  const pinned = birth('one', A);
  clock.advance(HOUR_MS);
  birth('two', A);
  served(revision('one'), pinned);
  expect(heard).toEqual([]);
});

test('an old pin that another process made long ago shows that the tag has moved since', () => {
  moves.resolved(undefined, WEB, B);
  served(revision('old'), image(A, HOUR_MS));
  served(revision('old'), image(A, HOUR_MS));
  expect(heard).toEqual([`${WEB} moved from a to b, says old`, 'old serves a, not b', 'old serves a, not b']);
});

test('a later pin of another process shows that the tag has moved', () => {
  const old = birth('old', A);
  clock.advance(HOUR_MS);
  served(revision('new'), image(B));
  served(revision('old'), old);
  expect(heard).toEqual([`${WEB} moved from a to b, says new`, 'old serves a, not b']);
});

test('of two pins that are dated almost alike nobody knows which is the newer', () => {
  served(revision('one'), image(A));
  served(revision('two'), image(B, 9_000));
  served(revision('three'), image(C, -9_000));
  expect(heard).toEqual([]);
  // A registry's word decides.
  clock.advance(20_000);
  birth('four', B);
  expect(heard).toEqual([`${WEB} moved from a to b, says four`]);
});

test.each(['yesterday', '2126-01-01T00:00:00Z'])('a pin that is dated %s decides nothing', (resolvedAt) => {
  const odd = { ...image(A), resolvedAt };
  served(revision('odd'), odd);
  served(revision('other'), image(B, HOUR_MS));
  moves.resolved(undefined, WEB, B);
  expect(heard).toEqual([`${WEB} moved from a to b, says nobody`]);
  moves = new TagMoves({ maxTags: 3, now: clock.date });
  moves.subscribe({ moved: () => void heard.push('moved again') });
  moves.resolved(undefined, WEB, B);
  served(revision('odd'), odd);
  clock.advance(HOUR_MS);
  served(revision('odd'), odd);
  expect(heard).toHaveLength(1);
});

test('a date that is worth nothing does not spoil what a later pin with the same digest says', () => {
  served(revision('odd'), { ...image(A), resolvedAt: 'yesterday' });
  served(revision('one'), image(A, HOUR_MS));
  served(revision('two'), image(B));
  expect(heard).toEqual([`${WEB} moved from a to b, says two`]);
});

test('what was adopted from running Pods is older than any answer', () => {
  moves.resolved(revision('adopted'), WEB, B);
  served(revision('adopted'), image(A, 0, 'adopted'));
  expect(heard).toEqual([`${WEB} moved from a to b, says adopted`, 'adopted serves a, not b']);
});

test('a pin that is written after the tag moved on is old, though its date says otherwise', () => {
  moves.resolved(revision('slow'), WEB, A);
  clock.advance(100);
  moves.resolved(revision('quick'), WEB, B);
  clock.advance(100);
  served(revision('slow'), image(A));
  expect(heard).toEqual([`${WEB} moved from a to b, says slow`, 'slow serves a, not b']);
});

test('a tag that no revision is pinned to may move as it likes', () => {
  for (const sum of [A, B, C, A]) moves.resolved(undefined, WEB, sum);
  expect(heard).toEqual([]);
});

test('a tag that moves back and forth has moved each time, and the pin that it came back to is right again', () => {
  const first = birth('first', A);
  const second = birth('second', B);
  birth('third', A);
  served(revision('first'), first);
  served(revision('second'), second);
  expect(heard).toEqual([
    `${WEB} moved from a to b, says second`,
    `${WEB} moved from b to a, says third`,
    'second serves b, not a',
  ]);
});

test('a later pin with the same digest says that the tag meant it until then', () => {
  served(revision('one'), image(A, 3 * HOUR_MS));
  served(revision('three'), image(A, HOUR_MS));
  served(revision('two'), image(B, 2 * HOUR_MS));
  expect(heard).toEqual([`${WEB} moved from b to a, says two`, 'two serves b, not a']);
});

test('memory is bounded: by tags, by what a tag meant before, and by the length of a reference', () => {
  for (let tag = 0; tag < 10; tag += 1) moves.resolved(undefined, `registry.test/web:${tag}`, A);
  moves.resolved(undefined, `registry.test/${'w'.repeat(600)}:1`, A);
  expect(moves.caches.tag_move).toMatchObject({ size: 3, max: 3, evictions: 7 });
  const pins = Array.from({ length: 20 }, (_, index) => birth(`r${index}`, digest(index.toString(36))));
  heard = [];
  for (const [index, pinned] of pins.entries()) served(revision(`r${index}`), pinned);
  // Those that are forgotten are too near in time to say anything.
  expect(heard.map((text) => text.split(' ')[0])).toEqual(
    Array.from({ length: 8 }, (_, index) => `r${index + 11}`),
  );
});

test('several may listen, to what they like', () => {
  let count = 0;
  moves.subscribe({ moved: () => void (count += 1) });
  moves.subscribe({});
  birth('old', A);
  birth('new', B);
  expect([count, heard.length]).toEqual([1, 1]);
});
