import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { PinWatch, type EndedPin } from '../../../src/kubernetes/pin-watch.ts';
import type { JsonObject } from '../../../src/json/json-object.ts';
import type { ImagePin } from '../../../src/pins/image-pin.ts';
import { settle } from '../../support/settle.ts';
import { until } from '../../support/until.ts';

type Event = { type: string; object: JsonObject };
type Watch = { path: string; send: (event: Event) => void; end: () => void; fail: (error: Error) => void };

/** An API server whose watches a test feeds. */
class PlayedWatches {
  readonly lists: string[] = [];
  readonly watches: Watch[] = [];
  failList: Error | undefined;
  #onWatch = Promise.withResolvers<void>();

  async list(path: string): Promise<JsonObject> {
    this.lists.push(path);
    if (this.failList !== undefined) throw this.failList;
    return { metadata: { resourceVersion: `list-${this.lists.length}` }, items: [] };
  }

  /** Each watch begins only once this has resolved. */
  opening: Promise<void> = Promise.resolve();
  readonly asked: string[] = [];
  readonly signals = new Set<AbortSignal>();

  async watch(path: string, _timeouts: object, signal: AbortSignal): Promise<AsyncGenerator<Event>> {
    this.asked.push(path);
    this.signals.add(signal);
    await this.opening;
    return this.#events(path, signal);
  }

  async *#events(path: string, signal: AbortSignal): AsyncGenerator<Event> {
    const queue: (Event | Error | 'end')[] = [];
    let wake = Promise.withResolvers<void>();
    const put = (item: Event | Error | 'end'): void => {
      queue.push(item);
      wake.resolve();
    };
    signal.addEventListener('abort', () => put(signal.reason as Error), { once: true });
    this.watches.push({ path, send: put, end: () => put('end'), fail: put });
    this.#onWatch.resolve();
    this.#onWatch = Promise.withResolvers();
    for (;;) {
      while (queue.length === 0) {
        await wake.promise;
        wake = Promise.withResolvers();
      }
      const item = queue.shift();
      if (item === 'end') return;
      if (item instanceof Error) throw item;
      yield item as Event;
    }
  }

  /** The watch with this number, once it is there. */
  async nth(number: number): Promise<Watch> {
    while (this.watches.length <= number) await this.#onWatch.promise;
    return this.watches[number] as Watch;
  }
}

function event(type: string, version: string, name = 'web'): Event {
  return {
    type,
    object: { metadata: { namespace: 'shop', name, uid: `uid-${name}`, resourceVersion: version } },
  };
}

/** Pins that the memory knows, by id. */
let kept: Map<string, ImagePin>;
let api: PlayedWatches;
let told: string[];
let ended: EndedPin[];
let gaps: unknown[];
let ends: number;
let watch: PinWatch;

beforeEach(() => {
  kept = new Map();
  api = new PlayedWatches();
  told = [];
  ended = [];
  gaps = [];
  ends = 0;
  watch = new PinWatch({
    api,
    memory: {
      open: () => void told.push('open'),
      close: () => void told.push('close'),
      forget: ({ id }) => {
        told.push(`forget ${id}`);
        return kept.get(id);
      },
    },
    onEnded: (pin) => void ended.push(pin),
    onGap: (error) => void gaps.push(error),
    onGapEnd: () => (ends += 1),
    retryMs: 0,
  });
});

test('the memory is opened where one item’s list stands, and deletions from there on are told', async () => {
  watch.start();
  const first = await api.nth(0);
  expect(api.lists).toEqual(['/apis/samebytes.dev/v1alpha1/imagepins?limit=1']);
  expect(first.path).toContain('resourceVersion=list-1');
  expect(first.path).toContain('allowWatchBookmarks=true');
  first.send(event('ADDED', '2'));
  first.send(event('MODIFIED', '3'));
  first.send(event('DELETED', '4'));
  first.end();
  await api.nth(1);
  expect(told).toEqual(['open', 'forget uid-web']);
  expect(ended).toEqual([
    { namespace: 'shop', name: 'web', id: 'uid-web', revision: undefined, bornAt: undefined, pin: undefined },
  ]);
  await watch.stop();
});

test('the end of a pin says whose it was and since when, and what was in it where the memory knew', async () => {
  const revision = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d8f', uid: 'uid-of-revision' };
  const metadata = {
    namespace: 'shop',
    name: 'web',
    uid: 'uid-web',
    resourceVersion: '4',
    creationTimestamp: '2026-05-01T09:12:44Z',
    ownerReferences: [revision],
  };
  const pin = { id: 'uid-web', revision: { ...revision, namespace: 'shop' }, images: [] };
  watch.start();
  const first = await api.nth(0);
  first.send({ type: 'DELETED', object: { metadata } });
  kept.set('uid-known', pin);
  first.send({ type: 'DELETED', object: { metadata: { ...metadata, uid: 'uid-known' } } });
  first.send({ type: 'DELETED', object: { metadata: { ...metadata, ownerReferences: ['nonsense'] } } });
  first.end();
  await api.nth(1);
  const common = { namespace: 'shop', name: 'web', bornAt: '2026-05-01T09:12:44Z' };
  expect(ended).toEqual([
    { ...common, id: 'uid-web', revision, pin: undefined },
    { ...common, id: 'uid-known', revision: pin.revision, pin },
    { ...common, id: 'uid-web', revision: undefined, pin: undefined },
  ]);
  await watch.stop();
});

test('a watch that the server ends goes on where it stood, bookmarks included, without a gap', async () => {
  watch.start();
  const first = await api.nth(0);
  first.send(event('DELETED', '4'));
  first.send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } });
  first.end();
  expect((await api.nth(1)).path).toContain('resourceVersion=9');
  expect({ gaps, told }).toEqual({ gaps: [], told: ['open', 'forget uid-web'] });
  await watch.stop();
});

test('the memory stays closed until the watch stands: between list and watch nobody tells of deletions', async () => {
  const opening = Promise.withResolvers<void>();
  api.opening = opening.promise;
  watch.start();
  await until('the watch to be asked for', () => api.asked.length > 0);
  await settle();
  expect(told).toEqual([]);
  opening.resolve();
  await api.nth(0);
  expect(told).toEqual(['open']);
  await watch.stop();
});

test('a watch that cannot begin again closes the memory', async () => {
  watch.start();
  const first = await api.nth(0);
  api.opening = Promise.reject(new Error('no watch began'));
  api.opening.catch(() => {});
  first.end();
  await until('the gap', () => gaps.length > 0);
  await watch.stop();
  expect(told.filter((what) => what === 'open')).toHaveLength(1);
  expect(told[1]).toBe('close');
});

test('watches that come and go leave no listeners behind', async () => {
  watch.start();
  for (let round = 0; round < 30; round += 1) (await api.nth(round)).end();
  await api.nth(30);
  expect(api.signals.size).toBe(1);
  // The played watches have one each.
  for (const signal of api.signals) expect(getEventListeners(signal, 'abort').length).toBeLessThan(35);
  await watch.stop();
});

async function tries(count: number): Promise<void> {
  const enough = api.lists.length + count;
  await until('more tries', () => api.lists.length >= enough);
}

describe('a gap', () => {
  test('is told once for each problem, however often it is tried again, and once when it ends', async () => {
    api.failList = new Error('refused');
    watch.start();
    await tries(5);
    expect(gaps).toEqual([new Error('refused')]);
    api.failList = new Error('forbidden');
    await tries(5);
    expect(gaps).toEqual([new Error('refused'), new Error('forbidden')]);
    expect(ends).toBe(0);
    api.failList = undefined;
    const first = await api.nth(0);
    expect(ends).toBe(1);
    first.fail(new Error('refused'));
    await api.nth(1);
    expect({ gaps: gaps.length, ends }).toEqual({ gaps: 3, ends: 2 });
    await watch.stop();
  });
});

describe('the memory is closed, and opened again from a new list, where', () => {
  test.each([
    ['the watch breaks', (first: Watch) => first.fail(new Error('reset'))],
    [
      'it is too old, which comes inside an answer with status 200',
      (first: Watch) => first.send({ type: 'ERROR', object: { code: 410, reason: 'Expired' } }),
    ],
    ['an event has no version', (first: Watch) => first.send({ type: 'ADDED', object: {} })],
    [
      'a deletion has no name',
      (first: Watch) => first.send({ type: 'DELETED', object: { metadata: { resourceVersion: '2' } } }),
    ],
  ])('%s', async (_when, happen) => {
    watch.start();
    happen(await api.nth(0));
    expect((await api.nth(1)).path).toContain('resourceVersion=list-2');
    expect(told).toEqual(['open', 'close', 'open']);
    expect(gaps).toHaveLength(1);
    await watch.stop();
  });

  test('nothing can be listed, however often that is tried', async () => {
    api.failList = new Error('forbidden');
    watch.start();
    while (api.lists.length < 5) await new Promise((resolve) => setImmediate(resolve));
    expect(told).not.toContain('open');
    await watch.stop();
  });
});

test('stopping ends it, and the memory is closed', async () => {
  watch.start();
  await api.nth(0);
  await watch.stop();
  expect(told).toEqual(['open', 'close']);
  expect(gaps).toEqual([]);
});
