import { beforeEach, describe, expect, test } from '@jest/globals';
import type { OwnerEvent } from '../../../src/admission/owner-event.ts';
import { Events } from '../../../src/kubernetes/events.ts';
import type { OwnerReference } from '../../../src/pins/revision.ts';
import type { EventResult } from '../../../src/telemetry/event-result.ts';
import { FakeClock } from '../../support/clock.ts';
import { fail } from '../../support/played-objects-api.ts';
import { heldBytes } from '../../support/heap.ts';
import { settle } from '../../support/settle.ts';

const EVENT: OwnerEvent = {
  namespace: 'shop',
  owner: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d8f', uid: 'u' },
  type: 'Warning',
  reason: 'ImageRefused',
  message: 'refused',
};
const DEPLOYMENT: OwnerReference = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd' };

interface Written {
  readonly verb: 'create' | 'patch';
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** An API server that keeps Event objects, and answers as it is told. */
class PlayedEvents {
  readonly written: Written[] = [];
  /** Called before each answer. */
  answer: () => Promise<void> = async () => {};
  readonly #names = new Set<string>();

  async createNamespacedEvent({ body }: { body: { metadata: { name?: string } } }): Promise<never> {
    await this.answer();
    const name = body.metadata.name ?? '';
    this.#names.add(name);
    return this.written.push({ verb: 'create', name, body }) as never;
  }

  async patchNamespacedEvent({ name, body }: { name: string; body: object }): Promise<never> {
    await this.answer();
    if (!this.#names.has(name)) return fail(404);
    return this.written.push({ verb: 'patch', name, body: body as never }) as never;
  }

  /** Every event is gone, as after its hour. */
  forget(): void {
    this.#names.clear();
  }
}

let clock: FakeClock;
let api: PlayedEvents;
let above: (namespace: string, owner: OwnerReference) => Promise<OwnerReference | undefined>;
let results: EventResult[];
let failures: unknown[];
let events: Events;

beforeEach(() => {
  clock = new FakeClock();
  api = new PlayedEvents();
  above = async () => undefined;
  results = [];
  failures = [];
  events = new Events({
    api,
    workloads: { above: (namespace, owner) => above(namespace, owner as OwnerReference) },
    onResult: (result) => void results.push(result),
    onError: (error) => void failures.push(error),
    now: clock.now,
    date: clock.date,
    restMs: 0,
  });
});

/** What was told is written by now, or waits for an answer. */
async function written(): Promise<readonly Written[]> {
  for (let turn = 0; turn < 20; turn += 1) await settle();
  return api.written;
}

describe('an event', () => {
  test('is written about the owner', async () => {
    events.tell(EVENT);
    expect(await written()).toEqual([
      {
        verb: 'create',
        name: expect.stringMatching(/^web-5d8f\./),
        body: expect.objectContaining({
          metadata: { name: api.written[0]?.name, namespace: 'shop' },
          involvedObject: { ...EVENT.owner, namespace: 'shop' },
          reason: 'ImageRefused',
          message: 'refused',
          type: 'Warning',
          count: 1,
          firstTimestamp: clock.date(),
          lastTimestamp: clock.date(),
          source: { component: 'samebytes' },
        }),
      },
    ]);
    expect(results).toEqual(['written']);
  });

  test('is not written before whoever tells of it has gone on', async () => {
    events.tell(EVENT);
    await Promise.resolve();
    expect(api.written).toEqual([]);
  });

  test('that happens again raises a count', async () => {
    events.tell(EVENT);
    await written();
    clock.advance(1_000);
    events.tell(EVENT);
    const [first, second] = await written();
    expect(second).toEqual({
      verb: 'patch',
      name: first?.name,
      body: { message: 'refused', count: 2, lastTimestamp: clock.date() },
    });
  });

  test('that happens a thousand times while it waits is one write', async () => {
    for (let time = 0; time < 1_000; time += 1) events.tell(EVENT);
    expect((await written()).map(({ verb, body }) => [verb, body['count']])).toEqual([['create', 1_000]]);
  });

  test('that waits holds no more of its message than will be written', async () => {
    api.answer = () => new Promise(() => {});
    events.tell(EVENT);
    await written();
    const before = heldBytes();
    for (let index = 0; index < 50; index += 1) {
      // Made anew each time, as bodies are.
      events.tell({ ...EVENT, message: Buffer.alloc(2_000_000, `${index} `).toString('latin1') });
    }
    expect(heldBytes() - before).toBeLessThan(20_000_000);
  });

  test('that the API server has forgotten is created again, with its count', async () => {
    events.tell(EVENT);
    await written();
    api.forget();
    events.tell(EVENT);
    expect((await written()).map(({ verb, body }) => [verb, body['count']])).toEqual([
      ['create', 1],
      ['create', 2],
    ]);
  });

  test('on an object that has had enough is not written', async () => {
    for (let index = 0; index < 30; index += 1) {
      events.tell(EVENT);
      await written();
    }
    expect(api.written).toHaveLength(25);
    expect(results.filter((result) => result === 'limited')).toHaveLength(5);
  });
});

/** The kinds of the objects that heard of something, in order. */
const subjects = async (): Promise<unknown[]> =>
  (await written()).map(({ body }) => (body['involvedObject'] as OwnerReference).kind);

describe('the workload above the owner', () => {
  test('of a ReplicaSet hears of it, too', async () => {
    above = async () => DEPLOYMENT;
    events.tell(EVENT);
    expect(await subjects()).toEqual(['ReplicaSet', 'Deployment']);
    expect(api.written[1]?.body['involvedObject']).toEqual({ ...DEPLOYMENT, namespace: 'shop' });
  });

  test('of a ControllerRevision hears of it alone: nobody describes ControllerRevisions', async () => {
    above = async () => ({ ...DEPLOYMENT, kind: 'StatefulSet' });
    events.tell({ ...EVENT, owner: { ...EVENT.owner, kind: 'ControllerRevision' } });
    expect(await subjects()).toEqual(['StatefulSet']);
  });

  test('that cannot be found leaves the event on the owner, and is told once', async () => {
    above = async () => {
      throw new Error('forbidden');
    };
    events.tell(EVENT);
    events.tell({ ...EVENT, message: 'another' });
    expect(await subjects()).toEqual(['ReplicaSet', 'ReplicaSet']);
    expect(failures).toEqual([new Error('forbidden')]);
  });
});

describe('an API server that does not take events', () => {
  test('is told of once in ten minutes, without the answer’s body and headers; each event counts as failed', async () => {
    api.answer = async () => fail(403);
    for (let index = 0; index < 5; index += 1) events.tell({ ...EVENT, message: `${index}` });
    await written();
    expect(failures).toEqual([new Error('the API server answered with status 403')]);
    expect(results).toEqual(Array.from({ length: 5 }, () => 'failed'));
    clock.advance(10 * 60_000 + 1);
    events.tell(EVENT);
    await written();
    expect(failures).toHaveLength(2);
  });

  test('that never answers lets a thousand wait, and further ones are dropped', async () => {
    api.answer = () => new Promise(() => {});
    for (let index = 0; index < 5_000; index += 1) events.tell({ ...EVENT, message: `${index}` });
    await written();
    expect(results.filter((result) => result === 'dropped')).toHaveLength(4_000);
    expect(new Set(results)).toEqual(new Set(['dropped']));
  });

  test('keeps room for other namespaces, however many events one has', async () => {
    api.answer = () => new Promise(() => {});
    for (let index = 0; index < 5_000; index += 1) events.tell({ ...EVENT, message: `${index}` });
    results.length = 0;
    for (const namespace of ['one', 'two', 'three']) events.tell({ ...EVENT, namespace });
    expect(results).toEqual([]);
  });

  test('gets no event twice: a failure is not tried again', async () => {
    let asked = 0;
    api.answer = async () => {
      asked += 1;
      return fail(500);
    };
    events.tell(EVENT);
    await written();
    expect(asked).toBe(1);
  });
});

test('what waits when the process ends is written first, and nothing is taken any more', async () => {
  for (let index = 0; index < 5; index += 1) events.tell({ ...EVENT, message: `${index}` });
  await events.close();
  expect(api.written).toHaveLength(5);
  events.tell(EVENT);
  await written();
  expect(api.written).toHaveLength(5);
  expect(results.at(-1)).toBe('dropped');
});
