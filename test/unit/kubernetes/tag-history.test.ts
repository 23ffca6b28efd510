import { beforeEach, expect, test } from '@jest/globals';
import type { TagMove } from '../../../src/admission/owner-event.ts';
import { AnswerTooLargeError } from '../../../src/kubernetes/api-transport.ts';
import { pinObject } from '../../../src/kubernetes/image-pin-object.ts';
import { TagHistory, type SeenRevision } from '../../../src/kubernetes/tag-history.ts';
import type { OwnerReference } from '../../../src/pins/revision.ts';
import { FakeClock } from '../../support/clock.ts';
import { digest } from '../../support/digests.ts';
import { fail } from '../../support/played-objects-api.ts';
import { until } from '../../support/until.ts';

const [A, B] = [digest('a'), digest('b')];
const WEB = 'r.test/web:1';

interface ListRequest {
  readonly namespace: string;
  readonly limit?: number;
  readonly _continue?: string;
}

let clock: FakeClock;
let pins: object[];
let asked: ListRequest[];
/** Replaces the answer to a list. */
let answer: ((request: ListRequest) => unknown) | undefined;
/** The workload's uid, by the name of a revision. */
let workloadOf: (name: string) => string | undefined;
let moves: { revision: SeenRevision; move: TagMove }[];
let failures: unknown[];
let tagHistory: TagHistory;

beforeEach(() => {
  clock = new FakeClock();
  pins = [pin('web-a', 1, A), pin('web-b', 2, B)];
  asked = [];
  answer = undefined;
  workloadOf = () => 'deployment';
  moves = [];
  failures = [];
  tagHistory = new TagHistory({
    api: {
      listNamespacedCustomObject: async (request: ListRequest) => {
        asked.push(request);
        return (answer ?? ((): unknown => ({ metadata: {}, items: pins })))(request) as never;
      },
    },
    workloads: {
      above: async (_namespace, { name }) => {
        const uid = workloadOf(name);
        return uid === undefined ? undefined : ({ uid } as OwnerReference);
      },
    },
    onMove: (revision, move) => void moves.push({ revision, move }),
    onError: (error) => void failures.push(error),
    now: clock.now,
    restMs: 0,
  });
});

function pin(name: string, hour: number, value: string): object {
  const revision = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name,
    uid: `uid-of-${name}`,
    namespace: 'shop',
  };
  const resolvedAt = `2026-05-01T0${hour}:00:00.000Z`;
  return pinObject(revision, [{ reference: WEB, digest: value, resolvedAt, source: 'resolved' }]);
}

/** A pin with as many images as there is room for. */
function fullPin(name: string, index: number): object {
  const revision = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name,
    uid: `uid-of-${name}`,
    namespace: 'shop',
  };
  const resolvedAt = new Date(Date.UTC(2026, 3, 1) + index).toISOString();
  const references = Array.from({ length: 128 }, (_, image) => `r.test/web/${image}:1`);
  return pinObject(
    revision,
    references.map((reference) => ({ reference, digest: A, resolvedAt, source: 'resolved' })),
  );
}

/** A list without an end, of pins as large as they may be. */
function fullPagesOf(workload: string): (request: ListRequest) => object {
  const items = Array.from({ length: 100 }, (_, index) => fullPin(`${workload}-${index}`, index));
  return ({ _continue = '0' }) => ({ metadata: { continue: `${Number(_continue) + 1}` }, items });
}

function pagesRead(): number {
  return asked.filter(({ namespace }) => namespace === 'shop').length;
}

function seen(name: string, how: SeenRevision['seen'], namespace = 'shop'): SeenRevision {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: `uid-of-${name}` };
  return { namespace, kind: 'ReplicaSet', name, owner, seen: how, at: new Date('2026-05-02T00:00:00Z') };
}

/** Everything that was to be looked at is. */
async function looked(...revisions: SeenRevision[]): Promise<void> {
  for (const revision of revisions) tagHistory.look(revision);
  const last = seen('last', 'born', `last-${asked.length}`);
  tagHistory.look(last);
  await until('the last look', async () => asked.some(({ namespace }) => namespace === last.namespace));
}

test('a birth with other bytes than the revision before it is a move', async () => {
  await looked(seen('web-b', 'born'));
  expect(moves).toEqual([
    {
      revision: seen('web-b', 'born'),
      move: { reference: WEB, from: A, to: B, other: 'web-a', seen: 'born' },
    },
  ]);
});

test('an old revision that serves again is a move, told once in ten minutes', async () => {
  const old = seen('web-a', 'served');
  await looked(old);
  await looked(old);
  expect(moves).toEqual([
    { revision: old, move: { reference: WEB, from: A, to: B, other: 'web-b', seen: 'served' } },
  ]);
  clock.advance(10 * 60_000 + 1);
  await looked(old);
  expect(moves).toHaveLength(2);
});

test('the newest revision may serve without a word', async () => {
  await looked(seen('web-b', 'served'));
  expect(moves).toEqual([]);
});

test.each<[string, (name: string) => string | undefined]>([
  ['belong to different workloads', (name) => name],
  ['belong to nobody', () => undefined],
])('revisions whose names are alike say nothing where they %s', async (_what, owners) => {
  workloadOf = owners;
  await looked(seen('web-b', 'born'));
  expect(moves).toEqual([]);
});

test('a thousand Pods of many revisions in one namespace cost one list', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `app${index}-a`);
  for (let pod = 0; pod < 10; pod += 1) for (const name of names) tagHistory.look(seen(name, 'served'));
  await looked();
  expect(asked.filter(({ namespace }) => namespace === 'shop')).toEqual([
    expect.objectContaining({ group: 'samebytes.dev', plural: 'imagepins', limit: 200 }),
  ]);
});

test('a long list is read page by page, and not without an end', async () => {
  answer = ({ _continue = '0' }) => ({ metadata: { continue: `${Number(_continue) + 1}` }, items: [] });
  await looked(seen('web-b', 'born'));
  const pages = asked.filter(({ namespace }) => namespace === 'shop');
  expect(pages.slice(0, 3).map(({ _continue }) => _continue)).toEqual([undefined, '1', '2']);
  expect(pages).toHaveLength(25);
});

test('a page that is too large is read in smaller ones', async () => {
  answer = ({ limit = 0, _continue = '0' }) => {
    if (limit > 1) throw new AnswerTooLargeError('too large');
    const next = Number(_continue) + 1;
    return { metadata: next < pins.length ? { continue: `${next}` } : {}, items: [pins[next - 1]] };
  };
  await looked(seen('web-b', 'born'));
  const pages = asked.filter(({ namespace }) => namespace === 'shop');
  expect(pages.map(({ limit }) => limit)).toEqual([200, 20, 2, 1, 1]);
  expect(moves).toHaveLength(1);
});

test('a list whose pins hold very many images is not read to its end, other workloads aside', async () => {
  answer = fullPagesOf('web');
  await looked(seen('web-b', 'born'));
  expect(pagesRead()).toBe(3);
  answer = fullPagesOf('shop');
  await looked(seen('web-b', 'born'));
  expect(pagesRead()).toBe(3 + 25);
});

test('hundreds of revisions of one workload, each with a hundred images, hold up nothing else', async () => {
  const names = Array.from({ length: 200 }, (_, index) => `web-${index}`);
  pins = names.map(fullPin);
  let longestMs = 0;
  let lastMs = performance.now();
  const turns = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  }, 10);
  await looked(...names.map((name) => seen(name, 'served')));
  clearInterval(turns);
  expect(longestMs).toBeLessThan(1_500);
  expect(moves).toEqual([]);
});

test('no more than a thousand revisions wait', async () => {
  for (let index = 0; index < 5_000; index += 1) tagHistory.look(seen('web-a', 'served', `ns-${index}`));
  await until('the waiting ones', async () => asked.length === 1_000);
  await looked();
  expect(asked).toHaveLength(1_001);
});

test('a namespace with very many revisions leaves room for others', async () => {
  answer = (request) => (request.namespace === 'flood' ? { items: [] } : { metadata: {}, items: pins });
  for (let index = 0; index < 5_000; index += 1) tagHistory.look(seen(`app${index}-a`, 'served', 'flood'));
  await looked(seen('web-b', 'born'));
  expect(moves).toHaveLength(1);
});

test('an API server that answers with a failure is told once, without its words, and the next look goes on', async () => {
  answer = () => fail(500);
  await looked(seen('web-b', 'born'));
  await looked(seen('web-b', 'born'));
  expect(failures).toEqual([new Error('cannot list ImagePins')]);
  expect((failures[0] as Error).cause).toEqual(new Error('the API server answered with status 500'));
  answer = undefined;
  await looked(seen('web-b', 'born'));
  expect(moves).toHaveLength(1);
});

test.each([null, 7, {}, { items: 'none' }, { items: [null, {}, { spec: { revision: {} } }] }])(
  'a list that is none (%j) is passed over',
  async (list) => {
    answer = () => list;
    await looked(seen('web-b', 'born'));
    expect({ moves, failures }).toEqual({ moves: [], failures: [] });
  },
);

test('Jobs and bare Pods have no other revisions, and cost nothing', async () => {
  await looked({ ...seen('backup-1', 'served'), kind: 'Job' });
  expect(asked).toHaveLength(1);
});

test('nothing is asked after the end', async () => {
  tagHistory.look(seen('web-b', 'born'));
  await tagHistory.close();
  tagHistory.look(seen('web-b', 'born'));
  await tagHistory.close();
  expect(moves).toEqual([]);
});
