import { describe, expect, test } from '@jest/globals';
import { normalizedName, parseReference } from '../../../src/image/reference.ts';
import { MemoryPinStore } from '../../../src/pins/memory-pin-store.ts';
import { PinMemory } from '../../../src/pins/pin-memory.ts';
import { PinStoreError, type PinStore } from '../../../src/pins/pin-store.ts';
import { Pinner } from '../../../src/pins/pinner.ts';
import { RevisionFinder } from '../../../src/pins/revision-finder.ts';
import { ownerOf } from '../../../src/pins/revision.ts';
import { TagMoves } from '../../../src/pins/tag-moves.ts';
import { anonymously } from '../../support/anonymously.ts';
import { FakeClock } from '../../support/clock.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { admissionRequest, ownedBy, pod } from '../../support/pods.ts';
import { noDeadline } from '../../support/signals.ts';

const [A, B] = [digest('a'), digest('b')];
const IMAGE = 'registry.test/shop/web:1.0';
const PINNED_SIBLING = {
  image: `registry.test/shop/web@${A}`,
  recorded: { reference: IMAGE, digest: A },
  imageId: undefined,
  state: 'running',
} as const;

function underTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest();
  admission.tags.set(IMAGE, B);
  return admission;
}

describe('the first Pod that is seen of a revision', () => {
  test('joins the Pods that were pinned before, and the pin says that it was adopted', async () => {
    const admission = underTest();
    admission.siblings = [PINNED_SIBLING];
    const { images, decision } = await admission.admit(pod());
    expect(images).toEqual({ web: `registry.test/shop/web@${A}` });
    expect(decision.images[0]?.result).toMatchObject({ source: 'sibling' });
    expect(admission.created[0]?.images).toEqual([expect.objectContaining({ digest: A, source: 'adopted' })]);
  });

  test('joins them also while the registry is away', async () => {
    const admission = underTest();
    admission.tags.fail(IMAGE, 'unreachable');
    admission.siblings = [PINNED_SIBLING];
    expect((await admission.admit(pod())).images).toEqual({ web: `registry.test/shop/web@${A}` });
  });

  test('gets what the tag means where they disagree, which is told', async () => {
    const admission = underTest();
    const other = { ...PINNED_SIBLING, image: `registry.test/shop/web@${digest('c')}` };
    admission.siblings = [PINNED_SIBLING, { ...other, recorded: { reference: IMAGE, digest: digest('c') } }];
    expect((await admission.admit(pod())).images).toEqual({ web: `registry.test/shop/web@${B}` });
    expect(admission.splits).toEqual([`${IMAGE} ${A} ${digest('c')}`]);
  });

  test('leaves no word of a split where it only looks', async () => {
    const admission = underTest();
    const other = { ...PINNED_SIBLING, image: `registry.test/shop/web@${digest('c')}` };
    admission.siblings = [PINNED_SIBLING, { ...other, recorded: { reference: IMAGE, digest: digest('c') } }];
    await admission.admit(pod(), { dryRun: true });
    await admission.admit(pod(), { mode: 'audit' });
    expect(admission.splits).toEqual([]);
  });

  test('is refused where nobody can tell which Pods there are', async () => {
    const admission = underTest();
    Object.defineProperty(admission, 'siblings', {
      get: () => {
        throw new PinStoreError('pin_unreadable', 'no');
      },
    });
    expect((await admission.decide(admissionRequest(pod()))).denial).toMatchObject({ code: 503 });
  });
});

test('a ControllerRevision that was made again under its name is another revision', async () => {
  const clock = new FakeClock();
  let uid = 'first';
  const finder = new RevisionFinder({
    controllerRevisions: { uidOf: async () => uid },
    maxRevisions: 10,
  });
  const memory = new PinMemory({ maxPins: 10, now: clock.now });
  memory.open();
  const created: string[] = [];
  const stores = [0, 1].map(
    () =>
      new MemoryPinStore({
        maxRevisions: 10,
        onCreated: ({ revision }) => void created.push(revision.uid),
        onAdded: () => {},
        onForgotten: () => {},
      }),
  );
  let current = 0;
  const store: PinStore = {
    read: async (revision) => stores[current]?.read(revision),
    record: async (revision, images) => (stores[current] as MemoryPinStore).record(revision, images),
  };
  const pinner = new Pinner({
    store,
    memory,
    revisions: finder,
    siblings: undefined,
    resolver: {
      fresh: async () => ({ digest: A, source: 'registry' }),
      withRoom: async (_tags, _signal, work) => work(),
    },
    manifests: { contentOf: async () => undefined },
    onSplit: () => {},
    tagMoves: new TagMoves({ maxTags: 10, now: clock.date }),
    countCacheRequest: () => {},
    now: clock.date,
  });
  const labels = { 'controller-revision-hash': 'web-1' };
  const pin = async (image: string): Promise<void> => {
    const reference = parseReference(image);
    await pinner.pin({
      owner: ownerOf({ labels, ownerReferences: [ownedBy('StatefulSet', 'sts')] }, 'shop'),
      labels,
      references: new Map([[normalizedName(reference), reference]]),
      credentialsFor: anonymously,
      recording: 'everything',
      signal: noDeadline(),
    });
  };
  await pin(IMAGE);
  uid = 'second';
  memory.close();
  memory.open();
  // The pin went with the ControllerRevision that it belonged to.
  current = 1;
  await pin(IMAGE);
  expect(created).toEqual(['first', 'second']);
});
