import { expect, test } from '@jest/globals';
import { MAX_IMAGES_PER_PIN, type ImagePin, type PinnedImage } from '../../../src/pins/image-pin.ts';
import { MemoryPinStore } from '../../../src/pins/memory-pin-store.ts';
import type { Revision } from '../../../src/pins/revision.ts';
import { digest } from '../../support/digests.ts';

function revision(uid: string, namespace = 'shop'): Revision {
  return { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid, namespace };
}

function image(reference: string, digit: string): PinnedImage {
  return { reference, digest: digest(digit), resolvedAt: '2026-01-01T00:00:00.000Z', source: 'resolved' };
}

function store(maxRevisions = 10): {
  store: MemoryPinStore;
  created: ImagePin[];
  added: PinnedImage[];
  forgotten: ImagePin[];
} {
  const created: ImagePin[] = [];
  const added: PinnedImage[] = [];
  const onAdded = (_pin: ImagePin, images: readonly PinnedImage[]): void => void added.push(...images);
  const forgotten: ImagePin[] = [];
  const onCreated = (pin: ImagePin): void => void created.push(pin);
  const onForgotten = (pin: ImagePin): void => void forgotten.push(pin);
  const options = { maxRevisions, onCreated, onAdded, onForgotten };
  return { store: new MemoryPinStore(options), created, added, forgotten };
}

test('a revision without a pin reads as undefined', async () => {
  expect(await store().store.read(revision('rs'))).toBeUndefined();
});

test('the first digest of a reference wins for ever, and what comes back is the winner', async () => {
  const { store: pins, created, added } = store();
  await pins.record(revision('rs'), [image('web:1', 'a')]);
  const { images } = await pins.record(revision('rs'), [image('web:1', 'b'), image('web:2', 'c')]);
  expect(images.map(({ reference, digest: recorded }) => [reference, recorded])).toEqual([
    ['web:1', digest('a')],
    ['web:2', digest('c')],
  ]);
  expect(await pins.read(revision('rs'))).toMatchObject({ images });
  expect(created).toHaveLength(1);
  expect(added).toEqual([image('web:2', 'c')]);
});

test('namespaces keep their pins apart', async () => {
  const { store: pins } = store();
  await pins.record(revision('rs', 'shop'), [image('web:1', 'a')]);
  expect(await pins.read(revision('rs', 'evil'))).toBeUndefined();
});

test('a pin holds 128 images; what does not fit is not in the answer', async () => {
  const { store: pins } = store();
  const many = Array.from({ length: MAX_IMAGES_PER_PIN + 5 }, (_, index) => image(`web:${index}`, 'a'));
  expect((await pins.record(revision('rs'), many)).images).toHaveLength(128);
  expect((await pins.record(revision('rs'), [image('late:1', 'b')])).images).toHaveLength(128);
});

test('past its limit the store forgets the least recently used revision, and says so', async () => {
  const { store: pins, forgotten } = store(2);
  await pins.record(revision('1'), [image('web:1', 'a')]);
  await pins.record(revision('2'), [image('web:1', 'a')]);
  await pins.read(revision('1'));
  await pins.record(revision('3'), [image('web:1', 'a')]);
  expect(forgotten.map((pin) => pin.revision.uid)).toEqual(['2']);
  await pins.record(revision('1'), [image('web:2', 'a')]);
  expect(forgotten).toHaveLength(1);
});
