import { beforeEach, expect, test } from '@jest/globals';
import { normalizedName, parseReference } from '../../../src/image/reference.ts';
import type { ImagePin, PinnedImage } from '../../../src/pins/image-pin.ts';
import { MemoryPinStore } from '../../../src/pins/memory-pin-store.ts';
import { PinMemory } from '../../../src/pins/pin-memory.ts';
import { PinStoreError, type PinStore } from '../../../src/pins/pin-store.ts';
import { Pinner, type PinRequest, type PinResult, type Recording } from '../../../src/pins/pinner.ts';
import { RevisionFinder } from '../../../src/pins/revision-finder.ts';
import { ownerOf, type PodOwner } from '../../../src/pins/revision.ts';
import { TagMoves } from '../../../src/pins/tag-moves.ts';
import { RegistryError } from '../../../src/registry/errors.ts';
import { Resolver, type TagSource } from '../../../src/resolver/resolver.ts';
import { FakeClock } from '../../support/clock.ts';
import { anonymously } from '../../support/anonymously.ts';
import { CacheCounts } from '../../support/counted.ts';
import { digest } from '../../support/digests.ts';
import { HeldSource, MovingSource } from '../../support/held-source.ts';
import { ownedBy } from '../../support/pods.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

const A = digest('a');
const B = digest('b');
const C = digest('c');
const WEB = 'registry.test/web:1';
const DOWN = new RegistryError('unreachable', 'down', { registry: 'registry.test' });
let counts: CacheCounts;
let store: MemoryPinStore;
/** What is heard of moved tags. */
let moves: string[];
/** What became of tags, as far as pinners and Pods that were admitted told. */
let tagMoves: TagMoves;

beforeEach(() => {
  counts = new CacheCounts();
  moves = [];
  tagMoves = new TagMoves({ maxTags: 10, now: new FakeClock().date });
  tagMoves.subscribe({
    moved: ({ reference }) => void moves.push(`${reference} moved`),
    oldServed: (_move, { uid }) => void moves.push(`${uid} serves the old digest`),
  });
  store = new MemoryPinStore({
    maxRevisions: 1_000,
    onCreated: () => {},
    onAdded: () => {},
    onForgotten: () => {},
  });
});

function pinner(source: TagSource, pins: PinStore = store, maxRevisions = 1_000): Pinner {
  const clock = new FakeClock();
  const resolver = new Resolver({
    source,
    maxTags: 1_000,
    freshnessMs: 0,
    followTtlMs: 0,
    staleIfErrorMs: 0,
    isImmutable: () => false,
    countCacheRequest: counts.count,
    now: clock.now,
  });
  const memory = new PinMemory({ maxPins: maxRevisions, now: clock.now });
  memory.open();
  return new Pinner({
    store: pins,
    memory,
    siblings: undefined,
    manifests: { contentOf: async () => undefined },
    onSplit: () => {},
    tagMoves,
    revisions: new RevisionFinder({ controllerRevisions: undefined, maxRevisions: 10 }),
    resolver,
    countCacheRequest: counts.count,
    now: clock.date,
  });
}

const owner = (uid: string, namespace = 'shop'): PodOwner =>
  ownerOf({ ownerReferences: [ownedBy('ReplicaSet', uid)] }, namespace);

function request(images: readonly string[], fields: Partial<PinRequest> = {}): PinRequest {
  const references = new Map(
    images.map(parseReference).map((reference) => [normalizedName(reference), reference]),
  );
  return {
    owner: owner('rs-1'),
    references,
    credentialsFor: anonymously,
    labels: {},
    recording: 'everything',
    signal: noDeadline(),
    ...fields,
  };
}

/** Digests, or the codes of what stood in their way. */
async function pin(by: Pinner, images: readonly string[], fields?: Partial<PinRequest>): Promise<string[]> {
  const asked = request(images, fields);
  const results = await by.pin(asked);
  for (const result of asked.recording === 'nothing' ? [] : results.values()) {
    if (!('error' in result) && result.entry !== undefined) tagMoves.served(result.entry);
  }
  return images.map((image) => shown(results.get(image)));
}

function shown(result: PinResult | undefined): string {
  if (result === undefined) return 'nothing';
  if (!('error' in result)) return result.digest;
  return result.error instanceof Error && 'code' in result.error
    ? String(result.error.code)
    : String(result.error);
}

test('a revision keeps its digests for ever: the tag moves, the registry goes', async () => {
  const source = new MovingSource(A);
  const pins = pinner(source);
  expect(await pin(pins, [WEB])).toEqual([A]);
  source.digest = B;
  expect(await pin(pins, [WEB])).toEqual([A]);
  source.failure = DOWN;
  expect(await pin(pins, [WEB])).toEqual([A]);
  expect(source.asked).toBe(1);
  expect([counts.of('pin', 'miss'), counts.of('pin', 'hit')]).toEqual([1, 2]);
});

test('another process reads the pin from the store once, and asks no registry', async () => {
  const source = new MovingSource(A);
  await pin(pinner(source), [WEB]);
  source.digest = B;
  expect(await pin(pinner(source), [WEB])).toEqual([A]);
  expect(source.asked).toBe(1);
});

test('a revision that is forgotten in memory is found in the store', async () => {
  const source = new MovingSource(A);
  const pins = pinner(source, store, 1);
  await pin(pins, [WEB]);
  source.digest = B;
  await pin(pins, [WEB], { owner: owner('rs-2') });
  expect(await pin(pins, [WEB])).toEqual([A]);
});

test('Pods that arrive during a birth wait for it together', async () => {
  const source = new HeldSource();
  const pins = pinner(source);
  const born = Array.from({ length: 20 }, () => pin(pins, [WEB]));
  await settle();
  source.question(0).answer(A);
  expect(await Promise.all(born)).toEqual(Array.from({ length: 20 }, () => [A]));
  expect(source.questions).toHaveLength(1);
  expect([counts.of('pin', 'miss'), counts.of('pin', 'coalesced')]).toEqual([1, 19]);
});

test('one of them may give up without harm to the others', async () => {
  const source = new HeldSource();
  const pins = pinner(source);
  const leaving = new AbortController();
  const left = pin(pins, [WEB], { signal: leaving.signal });
  const stayed = pin(pins, [WEB]);
  await settle();
  leaving.abort(new Error('too late'));
  expect(await left).toEqual(['Error: too late']);
  source.question(0).answer(A);
  expect(await stayed).toEqual([A]);
});

test('a Pod with one more image than the birth under way has a birth of its own, and the digests of the first', async () => {
  const source = new HeldSource();
  const pins = pinner(source);
  const sidecar = 'registry.test/sidecar:1';
  const plain = pin(pins, [WEB]);
  const injected = pin(pins, [WEB, sidecar]);
  await settle();
  expect(source.questions.map(({ reference }) => reference)).toEqual([WEB, sidecar]);
  source.question(0).answer(A);
  source.question(1).answer(B);
  expect(await plain).toEqual([A]);
  await settle();
  // Asked for after the Pod arrived; meanwhile the tag moved, and the revision was born.
  expect(source.questions.map(({ reference }) => reference)).toEqual([WEB, sidecar, WEB]);
  source.question(2).answer(C);
  expect(await injected).toEqual([A, B]);
});

test('nobody leaves with a digest that another Pod’s failing image kept from being recorded', async () => {
  const source = new HeldSource();
  const pins = pinner(source);
  const failing = pin(pins, [WEB, 'registry.test/bad:1']);
  const good = pin(pins, [WEB]);
  await settle();
  source.question(0).answer(A);
  source.question(1).fail(DOWN);
  expect(await failing).toEqual([A, 'unreachable']);
  await settle();
  source.question(2).answer(B);
  expect(await good).toEqual([B]);
  expect(await pin(pins, [WEB])).toEqual([B]);
});

test('a Pod that claims a revision’s uid under another name gets into neither its memory nor its birth', async () => {
  const source = new HeldSource();
  const pins = pinner(source);
  const impostor: Partial<PinRequest> = {
    owner: ownerOf({ ownerReferences: [ownedBy('ReplicaSet', 'rs-1', 'apps/v1', 'impostor')] }, 'shop'),
  };
  const real = pin(pins, [WEB]);
  const claimed = pin(pins, [WEB], impostor);
  await settle();
  source.question(0).answer(A);
  expect(await real).toEqual([A]);
  await settle();
  source.question(1).answer(B);
  expect(await claimed).toEqual([B]);
  expect(await pin(pins, [WEB])).toEqual([A]);
});

test('images of one Pod are asked for at the same time', async () => {
  const source = new HeldSource();
  const images = Array.from({ length: 10 }, (_, index) => `registry.test/c${index}:1`);
  const pinned = pin(pinner(source), images);
  await settle();
  expect(source.questions).toHaveLength(10);
  source.questions.forEach((question) => question.answer(A));
  expect(await pinned).toEqual(Array(10).fill(A));
});

test('two namespaces with the same owner uid do not share', async () => {
  const source = new MovingSource(A);
  const pins = pinner(source);
  await pin(pins, [WEB], { owner: owner('rs-1', 'shop') });
  source.digest = B;
  expect(await pin(pins, [WEB], { owner: owner('rs-1', 'evil') })).toEqual([B]);
});

test('a replica of nothing is resolved each time, and leaves nothing behind', async () => {
  const source = new MovingSource(A);
  const pins = pinner(source);
  const alone = { owner: { type: 'none' } } as const;
  expect(await pin(pins, [WEB], alone)).toEqual([A]);
  source.digest = B;
  expect(await pin(pins, [WEB], alone)).toEqual([B]);
});

const partly: TagSource = {
  resolveTag: async ({ path }) => {
    if (path === 'missing') throw new RegistryError('not_found', 'no', { registry: 'registry.test' });
    return { digest: A };
  },
};
const BOTH = [WEB, 'registry.test/missing:1'];

test.each<[Recording, number]>([
  ['everything', 0],
  ['what_resolved', 1],
  ['nothing', 0],
])(
  'where one image fails and %s may be recorded, the pin then holds %i images',
  async (recording, images) => {
    expect(await pin(pinner(partly), BOTH, { recording })).toEqual([A, 'not_found']);
    const { revision } = request([]).owner as Extract<PodOwner, { type: 'revision' }>;
    expect((await store.read(revision))?.images ?? []).toHaveLength(images);
  },
);

test('looking without recording uses what is recorded, and changes nothing', async () => {
  const source = new MovingSource(A);
  const pins = pinner(source);
  expect(await pin(pins, [WEB], { recording: 'nothing' })).toEqual([A]);
  source.digest = B;
  expect(await pin(pins, [WEB])).toEqual([B]);
  source.digest = A;
  expect(await pin(pins, [WEB], { recording: 'nothing' })).toEqual([B]);
});

test('where another process was faster, its digest is used, for this Pod and all after it', async () => {
  const winner: PinStore = {
    read: async () => undefined,
    record: async (revision, images): Promise<ImagePin> => ({
      revision,
      images: images.map((image) => ({ ...image, digest: B })),
      id: 'pin-1',
    }),
  };
  const pins = pinner(new MovingSource(A), winner);
  expect(await pin(pins, [WEB])).toEqual([B]);
  expect(await pin(pins, [WEB])).toEqual([B]);
});

test('an image for which the pin has no room is pinned for this Pod alone', async () => {
  const full: PinStore = {
    read: async () => undefined,
    record: async (revision) => ({ revision, images: [], id: 'pin-1' }),
  };
  const results = await pinner(new MovingSource(A), full).pin(request([WEB]));
  expect(results.get(WEB)).toMatchObject({ digest: A, source: 'registry', notRecorded: 'full' });
});

const unreadable = new PinStoreError('pin_unreadable', 'no');
const unwritable = new PinStoreError('pin_unwritable', 'no');
const broken = (error: PinStoreError): PinStore => ({
  read: async () => {
    if (error === unreadable) throw error;
    return undefined;
  },
  record: async () => {
    throw error;
  },
});

test.each([unreadable, unwritable])(
  'a store that fails is the failure of every image where a Pod must be refused',
  async (error) => {
    expect(await pin(pinner(new MovingSource(A), broken(error)), [WEB])).toEqual([error.code]);
  },
);

test.each([unreadable, unwritable])(
  'where the Pod is admitted anyway it is pinned all the same, and says so',
  async (error) => {
    const results = await pinner(new MovingSource(A), broken(error)).pin(
      request([WEB], { recording: 'what_resolved' }),
    );
    expect(results.get(WEB)).toMatchObject({ digest: A, source: 'registry', notRecorded: error });
  },
);

test('what was pinned is recorded in normalised form, with its time', async () => {
  const recorded: PinnedImage[] = [];
  const recording: PinStore = {
    read: async () => undefined,
    record: async (revision, images) => {
      recorded.push(...images);
      return { revision, images, id: 'pin-1' };
    },
  };
  await pinner(new MovingSource(A), recording).pin(request(['nginx:1']));
  expect(recorded).toEqual([
    {
      reference: 'docker.io/library/nginx:1',
      digest: A,
      resolvedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      source: 'resolved',
    },
  ]);
});

test('a Pod that must be refused inherits no tolerance from one that need not, though they arrive together', async () => {
  const source = new MovingSource(A);
  const under = pinner(source, broken(unwritable));
  const [tolerant, strict] = await Promise.all([
    under.pin(request([WEB], { recording: 'what_resolved' })),
    under.pin(request([WEB], { recording: 'everything' })),
  ]);
  expect(tolerant.get(WEB)).toMatchObject({ digest: A, source: 'registry', notRecorded: unwritable });
  expect(strict.get(WEB)).toEqual({ error: unwritable });
});

test('a moved tag is heard of when the next revision is born, and whenever the old one gives its digest to a Pod', async () => {
  const source = new MovingSource(A);
  const pins = pinner(source);
  await pin(pins, [WEB]);
  await pin(pins, [WEB]);
  expect(moves).toEqual([]);
  source.digest = B;
  await pin(pins, [WEB], { owner: owner('rs-2') });
  expect(moves).toEqual([`${WEB} moved`]);
  await pin(pins, [WEB], { recording: 'nothing' });
  expect(moves).toEqual([`${WEB} moved`]);
  await pin(pins, [WEB]);
  expect(moves).toEqual([`${WEB} moved`, 'rs-1 serves the old digest']);
});

test('a moved tag is heard of by the pin that another process reads, too', async () => {
  const source = new MovingSource(A);
  await pin(pinner(source), [WEB]);
  source.digest = B;
  const other = pinner(source);
  await pin(other, [WEB]);
  await pin(other, [WEB], { owner: owner('rs-2') });
  await pin(other, [WEB]);
  expect(moves).toEqual([`${WEB} moved`, 'rs-1 serves the old digest']);
});

test('whoever gets a digest that is recorded gets the entry of the pin as well, at the birth and after it', async () => {
  const pins = pinner(new MovingSource(A));
  const born = await pins.pin(request([WEB]));
  const again = await pins.pin(request([WEB]));
  const entry = {
    revision: expect.objectContaining({ uid: 'rs-1', namespace: 'shop' }),
    image: { reference: WEB, digest: A, resolvedAt: expect.any(String), source: 'resolved' },
  };
  expect(born.get(WEB)).toMatchObject({ source: 'registry', entry });
  expect(again.get(WEB)).toMatchObject({ source: 'pin', entry });
});

test('a digest that was not recorded is no entry of a pin', async () => {
  const unwritten = pinner(new MovingSource(A), broken(unwritable));
  const results = await unwritten.pin(request([WEB], { recording: 'what_resolved' }));
  const looked = await pinner(new MovingSource(A)).pin(request([WEB], { recording: 'nothing' }));
  const alone = await pinner(new MovingSource(A)).pin(request([WEB], { owner: { type: 'none' } }));
  for (const result of [results, looked, alone]) expect(result.get(WEB)).not.toHaveProperty('entry');
});
