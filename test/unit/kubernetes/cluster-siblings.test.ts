import type { V1Pod } from '@kubernetes/client-node';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { AnswerTooLargeError } from '../../../src/kubernetes/api-transport.ts';
import type { JsonObject } from '../../../src/json/json-object.ts';
import { ClusterSiblings } from '../../../src/kubernetes/cluster-siblings.ts';
import { FakeClock } from '../../support/clock.ts';
import { digest } from '../../support/digests.ts';
import { fail } from '../../support/played-objects-api.ts';
import { noDeadline } from '../../support/signals.ts';

const A = digest('a');
type Platform = { readonly 'kubernetes.io/os'?: string; readonly 'kubernetes.io/arch'?: string };
const AMD: Platform = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
const ARM: Platform = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' };
const WINDOWS: Platform = { 'kubernetes.io/os': 'windows', 'kubernetes.io/arch': 'amd64' };
const QUERY = { namespace: 'shop', ownerUid: 'rs-1', selectors: ['app=web'] };
let clock: FakeClock;
let pods: V1Pod[] | number;
let asked: unknown[];
/** Lists under way, and the most there were at once. */
let reading: number;
let most: number;
let nodes: readonly Platform[] | Error;
/** A page with more Pods is too large. */
let fitting: number;

beforeEach(() => {
  clock = new FakeClock();
  pods = [];
  asked = [];
  reading = 0;
  most = 0;
  nodes = [AMD];
  fitting = Number.POSITIVE_INFINITY;
});

function siblings(): ClusterSiblings {
  return new ClusterSiblings({
    pods: {
      listNamespacedPod: async (request) => {
        asked.push(request);
        if (typeof pods === 'number') return fail(pods);
        if ((request.limit ?? 0) > fitting) throw new AnswerTooLargeError('too large');
        reading += 1;
        most = Math.max(most, reading);
        await Promise.resolve();
        reading -= 1;
        const { limit = pods.length, labelSelector, _continue = '0' } = request;
        const found = labelSelector === 'finds=nothing' ? [] : pods;
        const next = Number(_continue) + limit;
        return {
          items: found.slice(Number(_continue), next),
          metadata: next < found.length ? { _continue: String(next) } : {},
        };
      },
    },
    metadata: {
      list: async (path) => {
        asked.push(path);
        if (nodes instanceof Error) throw nodes;
        return nodeList(nodes, path);
      },
    },
    now: clock.now,
  });
}

/** What the API server answers to a list with a limit of one and a selector `label!=value`. */
function nodeList(all: readonly Platform[], path: string): JsonObject {
  const query = new URL(path, 'http://api').searchParams;
  const [label, value] = (query.get('labelSelector') ?? '').split('!=') as [keyof Platform, string?];
  const found = value === undefined ? all : all.filter((labels) => labels[label] !== value);
  return {
    metadata: {},
    items: found.slice(0, Number(query.get('limit'))).map((labels) => ({ metadata: { labels } })),
  };
}

interface PodFields {
  readonly uid?: string;
  readonly controller?: boolean;
  readonly status?: object;
  readonly annotations?: object;
  readonly metadata?: object;
  readonly phase?: string;
  readonly spec?: object;
}

function podOf({
  uid = 'rs-1',
  controller = true,
  status = {},
  annotations,
  metadata,
  phase,
  spec,
}: PodFields = {}): V1Pod {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid, controller };
  return {
    metadata: { ownerReferences: [owner], annotations, ...metadata },
    spec: { containers: [{ name: 'web', image: 'nginx:1' }], ...spec },
    status: { phase, containerStatuses: [{ name: 'web', imageID: `nginx@${A}`, ...status }] },
  } as unknown as V1Pod;
}

describe('the images of a revision’s Pods', () => {
  test('are asked for by selector', async () => {
    await siblings().imagesOf(QUERY, noDeadline());
    expect(asked).toEqual([{ namespace: 'shop', labelSelector: 'app=web', limit: 50 }]);
  });

  test('are looked for by the next selector where one finds none', async () => {
    pods = [podOf({ status: { started: true } })];
    const query = { ...QUERY, selectors: ['finds=nothing', ''] };
    expect(await siblings().imagesOf(query, noDeadline())).toHaveLength(1);
    expect(asked).toEqual([
      { namespace: 'shop', labelSelector: 'finds=nothing', limit: 50 },
      { namespace: 'shop', limit: 50 },
    ]);
  });

  test('are found behind the Pods of others, page by page, and not for ever', async () => {
    const others = (count: number): V1Pod[] => Array.from({ length: count }, () => podOf({ uid: 'rs-2' }));
    pods = [...others(120), podOf({ status: { started: true } })];
    expect(await siblings().imagesOf(QUERY, noDeadline())).toHaveLength(1);
    expect(asked).toHaveLength(3);
    pods = others(5_000);
    await siblings().imagesOf(QUERY, noDeadline());
    expect(asked).toHaveLength(3 + 10);
  });

  test('need not all be read: a page of them tells enough', async () => {
    pods = Array.from({ length: 1_000 }, () => podOf());
    expect(await siblings().imagesOf(QUERY, noDeadline())).toHaveLength(50);
    expect(asked).toHaveLength(1);
  });

  test('are read in smaller pages where the Pods are large', async () => {
    fitting = 5;
    pods = Array.from({ length: 8 }, () => podOf());
    expect(await siblings().imagesOf(QUERY, noDeadline())).toHaveLength(8);
    expect(asked).toMatchObject([{ limit: 50 }, { limit: 5 }, { limit: 5, _continue: '5' }]);
  });

  test('are found as far behind large Pods of others as behind small ones', async () => {
    fitting = 5;
    pods = [...Array.from({ length: 300 }, () => podOf({ uid: 'rs-2' })), podOf()];
    expect(await siblings().imagesOf(QUERY, noDeadline())).toHaveLength(1);
  });

  test('cannot be told where one Pod is too large', async () => {
    fitting = 0;
    await expect(siblings().imagesOf(QUERY, noDeadline())).rejects.toMatchObject({ code: 'pin_unreadable' });
  });

  test('are read for a few revisions at once, however many are born', async () => {
    pods = [podOf()];
    const by = siblings();
    await Promise.all(Array.from({ length: 100 }, () => by.imagesOf(QUERY, noDeadline())));
    expect(most).toBe(4);
  });

  test.each([
    ['runs', {}, { started: true }, 'running'],
    ['waits', {}, { state: { waiting: {} } }, 'waiting'],
    ['is deleted', { deletionTimestamp: '2026-01-01T00:00:00Z' }, { started: true }, 'leaving'],
  ])('say of a Pod that %s that it does', async (_what, metadata, status, state) => {
    pods = [podOf({ status, metadata })];
    expect(await siblings().imagesOf(QUERY, noDeadline())).toMatchObject([{ state }]);
  });

  test.each(['Succeeded', 'Failed'])('say of a Pod that has %s that it leaves', async (phase) => {
    pods = [podOf({ status: { state: { terminated: {} } }, phase })];
    expect(await siblings().imagesOf(QUERY, noDeadline())).toMatchObject([{ state: 'leaving' }]);
  });

  test.each([
    ['runs', { state: { running: {} } }],
    ['has started', { started: true }],
    ['has ended', { state: { terminated: {} } }],
    ['ended before', { state: { waiting: {} }, lastState: { terminated: {} } }],
  ])('tell the imageID of a container that %s', async (_when, status) => {
    pods = [podOf({ status })];
    expect(await siblings().imagesOf(QUERY, noDeadline())).toEqual([
      { image: 'nginx:1', recorded: undefined, imageId: `nginx@${A}`, state: 'running' },
    ]);
  });

  test.each([
    ['waits', { state: { waiting: {} }, started: false }],
    ['has no imageID', { state: { running: {} }, imageID: '' }],
  ])('tell none of a container that %s', async (_when, status) => {
    pods = [podOf({ status })];
    expect(await siblings().imagesOf(QUERY, noDeadline())).toMatchObject([{ imageId: undefined }]);
  });

  test('do not count where another owner controls the Pod, or this one does not', async () => {
    pods = [podOf({ uid: 'rs-2' }), podOf({ controller: false })];
    expect(await siblings().imagesOf(QUERY, noDeadline())).toEqual([]);
  });

  test('come with what our annotation says, for containers, init containers and volumes', async () => {
    const record = { reference: 'nginx:1', digest: A };
    pods = [
      podOf({
        annotations: {
          'samebytes.dev/images': JSON.stringify({ web: record, first: record, 'volume/data': record }),
        },
        spec: {
          initContainers: [{ name: 'first', image: 'one:1' }],
          volumes: [{ name: 'data', image: { reference: 'two:1' } }, { name: 'plain' }],
        },
      }),
    ];
    const found = await siblings().imagesOf(QUERY, noDeadline());
    expect(found.map(({ image, recorded }) => [image, recorded])).toEqual([
      ['nginx:1', record],
      ['one:1', record],
      ['two:1', record],
    ]);
  });

  test('cannot be told where the API server does not answer', async () => {
    pods = 500;
    await expect(siblings().imagesOf(QUERY, noDeadline())).rejects.toMatchObject({ code: 'pin_unreadable' });
  });
});

describe('whether all nodes share one platform', () => {
  test.each<[string, readonly Platform[], boolean]>([
    ['they do', [AMD, AMD], true],
    ['one has another architecture', [AMD, AMD, ARM], false],
    ['one has another operating system', [WINDOWS, AMD], false],
    ['one does not say', [AMD, {}], false],
    ['none says', [{}, {}], false],
    ['there are none', [], false],
  ])('where %s', async (_when, all, expected) => {
    nodes = all;
    expect(await siblings().shareOnePlatform(noDeadline())).toBe(expected);
  });

  test('costs three answers of one node at most, however many there are, once a minute', async () => {
    nodes = Array.from({ length: 5_000 }, () => AMD);
    const by = siblings();
    for (let time = 0; time < 5; time += 1) await by.shareOnePlatform(noDeadline());
    expect(asked).toEqual([
      '/api/v1/nodes?limit=1&labelSelector=',
      '/api/v1/nodes?limit=1&labelSelector=kubernetes.io%2Fos!%3Dlinux',
      '/api/v1/nodes?limit=1&labelSelector=kubernetes.io%2Farch!%3Damd64',
    ]);
    clock.advance(60_000);
    await by.shareOnePlatform(noDeadline());
    expect(asked).toHaveLength(6);
  });

  test('cannot be told where the API server does not answer', async () => {
    nodes = new Error('down');
    await expect(siblings().shareOnePlatform(noDeadline())).rejects.toMatchObject({ code: 'pin_unreadable' });
  });
});
