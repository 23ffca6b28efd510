import { beforeEach, expect, test } from '@jest/globals';
import { normalizedName, parseReference } from '../../../src/image/reference.ts';
import type { ImagePin } from '../../../src/pins/image-pin.ts';
import { PinMemory } from '../../../src/pins/pin-memory.ts';
import type { PinStore } from '../../../src/pins/pin-store.ts';
import { Pinner, type PinRequest } from '../../../src/pins/pinner.ts';
import { RevisionFinder } from '../../../src/pins/revision-finder.ts';
import { ownerOf } from '../../../src/pins/revision.ts';
import { TagMoves } from '../../../src/pins/tag-moves.ts';
import { Resolver } from '../../../src/resolver/resolver.ts';
import { Waits } from '../../../src/telemetry/waits.ts';
import { anonymously } from '../../support/anonymously.ts';
import { FakeClock } from '../../support/clock.ts';
import { digest } from '../../support/digests.ts';
import { HeldSource } from '../../support/held-source.ts';
import { ownedBy } from '../../support/pods.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

// Where the time of a birth went, for whoever bore the revision and for whoever waited for that.

const READ_MS = 5;
const WRITE_MS = 7;
const countCacheRequest = (): void => {};
let clock: FakeClock;
let source: HeldSource;
let pinner: Pinner;

/** An API server whose answers take their time, on the test's clock. */
class SlowStore implements PinStore {
  async read(): Promise<undefined> {
    await Promise.resolve();
    clock.advance(READ_MS);
    return undefined;
  }

  async record(...[revision, images]: Parameters<PinStore['record']>): Promise<ImagePin> {
    await Promise.resolve();
    clock.advance(WRITE_MS);
    return { revision, images, id: 'pin-1' };
  }
}

beforeEach(() => {
  clock = new FakeClock();
  source = new HeldSource();
  const memory = new PinMemory({ maxPins: 10, now: clock.now });
  memory.open();
  pinner = new Pinner({
    store: new SlowStore(),
    memory,
    siblings: undefined,
    manifests: { contentOf: async () => undefined },
    onSplit: () => {},
    tagMoves: new TagMoves({ maxTags: 10, now: clock.date }),
    revisions: new RevisionFinder({ controllerRevisions: undefined, maxRevisions: 10 }),
    resolver: new Resolver({
      source,
      maxTags: 10,
      freshnessMs: 0,
      followTtlMs: 0,
      staleIfErrorMs: 0,
      isImmutable: () => false,
      countCacheRequest,
      now: clock.now,
    }),
    countCacheRequest,
    now: clock.date,
  });
});

function request(waits: Waits, signal = noDeadline()): PinRequest {
  const reference = parseReference('registry.test/web:1');
  return {
    owner: ownerOf({ ownerReferences: [ownedBy('ReplicaSet', 'rs-1')] }, 'shop'),
    references: new Map([[normalizedName(reference), reference]]),
    credentialsFor: anonymously,
    labels: {},
    recording: 'everything',
    signal,
    waits,
  };
}

test('a birth waits for the API server and for the registry, and a Pod that joins it late for the rest of that', async () => {
  const [first, late, warm] = [new Waits(clock.now), new Waits(clock.now), new Waits(clock.now)];
  const birth = pinner.pin(request(first));
  await settle();
  clock.advance(100);
  const joined = pinner.pin(request(late));
  await settle();
  clock.advance(20);
  source.question(0).answer(digest('a'));
  await Promise.all([birth, joined]);
  expect(first.waited).toEqual({ api: READ_MS + WRITE_MS, registry: 120 });
  expect(late.waited).toEqual({ api: WRITE_MS, registry: 20 });

  await pinner.pin(request(warm));
  expect(warm.waited).toEqual({ api: undefined, registry: undefined });
});

test('a Pod whose deadline ends while the registry is silent waited for the registry', async () => {
  const [first, second] = [new Waits(clock.now), new Waits(clock.now)];
  const deadline = new AbortController();
  const answers = Promise.all([first, second].map((waits) => pinner.pin(request(waits, deadline.signal))));
  await settle();
  clock.advance(3_000);
  deadline.abort(new Error('the time is up'));
  await answers;
  expect(first.waited.registry).toBe(3_000);
  expect(second.waited.registry).toBe(3_000);
});

test('a birth after one that everybody left is measured for itself', async () => {
  const deadline = new AbortController();
  const left = pinner.pin(request(new Waits(clock.now), deadline.signal));
  await settle();
  deadline.abort(new Error('the time is up'));
  await left;
  const waits = new Waits(clock.now);
  const birth = pinner.pin(request(waits));
  await settle();
  clock.advance(40);
  source.questions.at(-1)?.answer(digest('a'));
  await birth;
  expect(waits.waited).toEqual({ api: READ_MS + WRITE_MS, registry: 40 });
});
