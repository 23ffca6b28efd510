import { describe, expect, test } from '@jest/globals';
import {
  meaningsByWorkload,
  workloadKey,
  type ListedPin,
  type OtherMeaning,
  type SeenAt,
} from '../../../src/pins/tag-history.ts';
import { digest } from '../../support/digests.ts';

const [A, B, C] = [digest('a'), digest('b'), digest('c')];
const WEB = 'r.test/web:1';

/** A pin of `name` that heard at this hour what the references mean. */
function pin(
  name: string,
  hour: number,
  images: Record<string, string>,
  { kind = 'ReplicaSet', source = 'resolved' }: { kind?: string; source?: 'resolved' | 'adopted' } = {},
): ListedPin {
  const resolvedAt = `2026-05-01T${String(hour).padStart(2, '0')}:00:00.000Z`;
  return {
    revision: { apiVersion: 'apps/v1', kind, name, uid: `uid-of-${name}` },
    images: Object.entries(images).map(([reference, value]) => ({
      reference,
      digest: value,
      resolvedAt,
      source,
    })),
  };
}

function revision(name: string, seen: SeenAt['seen'], hour = 23): SeenAt {
  return { kind: 'ReplicaSet', name, seen, at: new Date(Date.UTC(2026, 4, 1, hour)) };
}

function otherMeanings(seen: SeenAt, pins: readonly ListedPin[]): OtherMeaning[] {
  return meaningsByWorkload(pins).get(workloadKey(seen))?.others(seen) ?? [];
}

describe('a revision that was just born', () => {
  test('is compared with the one before it', () => {
    const pins = [
      pin('web-a', 1, { [WEB]: A }),
      pin('web-b', 2, { [WEB]: B }),
      pin('web-c', 3, { [WEB]: C }),
    ];
    expect(otherMeanings(revision('web-c', 'born'), pins)).toEqual([
      { reference: WEB, own: pins[2]?.revision, digest: C, other: pins[1]?.revision, otherDigest: B },
    ]);
    expect(otherMeanings(revision('web-a', 'born'), pins)).toEqual([]);
  });

  test('with the bytes of the one before it says nothing, whatever was before that', () => {
    const pins = [
      pin('web-a', 1, { [WEB]: A }),
      pin('web-b', 2, { [WEB]: B }),
      pin('web-c', 3, { [WEB]: B }),
    ];
    expect(otherMeanings(revision('web-c', 'born'), pins)).toEqual([]);
  });

  test('is compared reference by reference', () => {
    const pins = [
      pin('web-a', 1, { [WEB]: A, 'r.test/mesh:1': A }),
      pin('web-b', 2, { [WEB]: A, 'r.test/mesh:1': B, 'r.test/new:1': C }),
    ];
    expect(otherMeanings(revision('web-b', 'born'), pins)).toMatchObject([{ reference: 'r.test/mesh:1' }]);
  });
});

describe('a revision that serves', () => {
  test('is compared with the newest one after it', () => {
    const pins = [
      pin('web-a', 1, { [WEB]: A }),
      pin('web-b', 2, { [WEB]: B }),
      pin('web-c', 3, { [WEB]: C }),
    ];
    expect(otherMeanings(revision('web-a', 'served'), pins)).toMatchObject([
      { digest: A, other: { name: 'web-c' }, otherDigest: C },
    ]);
    expect(otherMeanings(revision('web-c', 'served'), pins)).toEqual([]);
  });

  test('is not compared with one that was born after it had served', () => {
    const pins = [pin('web-a', 1, { [WEB]: A }), pin('web-b', 3, { [WEB]: B })];
    expect(otherMeanings(revision('web-a', 'served', 2), pins)).toEqual([]);
    expect(otherMeanings(revision('web-a', 'served', 3), pins)).toHaveLength(1);
  });

  test('has nothing to say where the tag came back to it', () => {
    const pins = [
      pin('web-a', 1, { [WEB]: A }),
      pin('web-b', 2, { [WEB]: B }),
      pin('web-c', 3, { [WEB]: A }),
    ];
    expect(otherMeanings(revision('web-a', 'served'), pins)).toEqual([]);
  });
});

describe('a pin that was made again from the Pods that run', () => {
  const old = pin('web-a', 3, { [WEB]: A }, { source: 'adopted' });
  const next = pin('web-b', 2, { [WEB]: B });
  const last = pin('web-c', 4, { [WEB]: B });

  test('is no sign that the tag moved back', () => {
    expect(otherMeanings(revision('web-a', 'born'), [old, next])).toEqual([]);
    expect(otherMeanings(revision('web-b', 'served'), [old, next])).toEqual([]);
    expect(otherMeanings(revision('web-c', 'born'), [old, next, last])).toEqual([]);
  });

  test('is what a first birth after it is compared with, where there is nothing better', () => {
    expect(otherMeanings(revision('web-c', 'born'), [old, last])).toMatchObject([{ otherDigest: A }]);
    expect(otherMeanings(revision('web-a', 'served'), [old, last])).toMatchObject([{ otherDigest: B }]);
  });
});

test.each([
  ['another workload’s', pin('shop-b', 2, { [WEB]: B })],
  ['one with a longer name', pin('web-shop-b', 2, { [WEB]: B })],
  ['one of another kind', pin('web-b', 2, { [WEB]: B }, { kind: 'ControllerRevision' })],
])('a revision is not compared with %s', (_whose, other) => {
  const pins = [pin('web-a', 1, { [WEB]: A }), other];
  expect(otherMeanings(revision('web-a', 'served'), pins)).toEqual([]);
});

test('a revision whose pin is not in the list is compared with nothing', () => {
  expect(otherMeanings(revision('web-b', 'born'), [pin('web-a', 1, { [WEB]: A })])).toEqual([]);
});
