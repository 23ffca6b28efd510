import { beforeEach, describe, expect, test } from '@jest/globals';
import { pinObject } from '../../../src/kubernetes/image-pin-object.ts';
import { ImagePinStore } from '../../../src/kubernetes/image-pin-store.ts';
import { pinName, type ImagePin, type PinnedImage } from '../../../src/pins/image-pin.ts';
import { PinStoreError } from '../../../src/pins/pin-store.ts';
import type { Revision } from '../../../src/pins/revision.ts';
import { errorFields } from '../../../src/telemetry/log.ts';
import { digest } from '../../support/digests.ts';
import { fail, PlayedObjectsApi } from '../../support/played-objects-api.ts';
import { noDeadline } from '../../support/signals.ts';

const [A, B] = [digest('a'), digest('b')];
const REVISION: Revision = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'web-5d8f',
  uid: 'uid-of-web',
  namespace: 'shop',
};
const NAME = pinName(REVISION);
let api: PlayedObjectsApi;
let store: ImagePinStore;
let created: ImagePin[];
let added: PinnedImage[];
let conflicts: number;
let problems: string[];

beforeEach(() => {
  api = new PlayedObjectsApi();
  created = [];
  added = [];
  conflicts = 0;
  problems = [];
  store = new ImagePinStore({
    api,
    onCreated: (pin) => void created.push(pin),
    onAdded: (_pin, images) => void added.push(...images),
    onConflict: () => (conflicts += 1),
    onProblem: ({ namespace, name }, problem) => void problems.push(`${namespace}/${name}: ${problem}`),
  });
});

function entry(reference: string, value = A): PinnedImage {
  return { reference, digest: value, resolvedAt: '2026-01-01T00:00:00Z', source: 'resolved' };
}

const WEB = entry('registry.test/web:1');

function record(images: readonly PinnedImage[], isNew = true): Promise<ImagePin> {
  return store.record(REVISION, images, isNew, noDeadline());
}

describe('reading', () => {
  test('gives nothing where there is no pin', async () => {
    expect(await store.read(REVISION, noDeadline())).toBeUndefined();
  });

  test('gives what was recorded, with the id of the object', async () => {
    await record([WEB]);
    const { uid } = api.objects.get(NAME)?.metadata ?? {};
    expect(await store.read(REVISION, noDeadline())).toEqual({ revision: REVISION, images: [WEB], id: uid });
  });

  test.each([
    ['no digest', { ...WEB, digest: undefined }],
    ['a wrong digest', { ...WEB, digest: 'sha256:abc' }],
    ['a reference that is not normalised', entry('nginx:1')],
    ['a reference with a digest', entry(`registry.test/web:1@${A}`)],
    ['a reference that is none', entry('//')],
    ['no object', 'nonsense'],
  ])('leaves out an entry with %s, and warns', async (_what, nonsense) => {
    api.put(NAME, pinObject(REVISION, [nonsense as PinnedImage, WEB]));
    expect((await store.read(REVISION, noDeadline()))?.images).toEqual([WEB]);
    expect(problems).toEqual([expect.stringContaining(`shop/${NAME}: ignored: `)]);
  });

  test.each([
    ['of another revision', { ...pinObject({ ...REVISION, uid: 'other' }, [WEB]) }],
    ['without a spec', { metadata: {} }],
    ['without a revision', { metadata: {}, spec: { images: [WEB] } }],
  ])('refuses an object %s in the place of this revision’s', async (_what, object) => {
    api.put(NAME, object);
    await expect(store.read(REVISION, noDeadline())).rejects.toThrow(PinStoreError);
    expect(problems).toHaveLength(1);
  });
});

describe('recording', () => {
  test('costs one create at birth', async () => {
    expect((await record([WEB])).images).toEqual([WEB]);
    expect(api.calls).toEqual(['create']);
    expect(created).toHaveLength(1);
  });

  test('gives the winner’s digests where another process was faster', async () => {
    api.put(NAME, pinObject(REVISION, [entry(WEB.reference, B)]));
    expect((await record([WEB])).images).toEqual([entry(WEB.reference, B)]);
    expect(api.calls).toEqual(['create', 'get']);
    expect({ conflicts, created: created.length }).toEqual({ conflicts: 1, created: 0 });
  });

  test('adds to a pin that was there, and takes nothing away', async () => {
    await record([WEB]);
    const sidecar = entry('registry.test/mesh:2', B);
    expect((await record([entry(WEB.reference, B), sidecar], false)).images).toEqual([WEB, sidecar]);
    expect({ conflicts, created: created.length }).toEqual({ conflicts: 0, created: 1 });
    expect(added).toEqual([sidecar]);
    await record([WEB, sidecar], false);
    expect(added).toEqual([sidecar]);
  });

  test('adds again where somebody added meanwhile', async () => {
    await record([WEB]);
    const [one, two] = [entry('registry.test/one:1'), entry('registry.test/two:1')];
    api.before = (call) => {
      if (call !== 'replace') return;
      api.before = () => {};
      api.put(NAME, pinObject(REVISION, [WEB, one]));
    };
    expect((await record([two], false)).images).toEqual([WEB, one, two]);
    expect(conflicts).toBe(1);
  });

  test('keeps what a newer version of samebytes wrote into the object', async () => {
    api.put(NAME, { ...pinObject(REVISION, [WEB]), status: { tagMoved: 'yes' } });
    await record([entry('registry.test/one:1')], false);
    expect(api.objects.get(NAME)).toMatchObject({ status: { tagMoved: 'yes' } });
  });

  test('makes a pin anew that was deleted between two looks', async () => {
    expect((await record([WEB], false)).images).toEqual([WEB]);
    expect(api.calls).toEqual(['get', 'create']);
  });

  test('leaves out what a full pin has no room for', async () => {
    const many = Array.from({ length: 128 }, (_, index) => entry(`registry.test/r${index}:1`));
    await record(many);
    expect((await record([WEB], false)).images).toEqual(many);
    expect(api.calls).toEqual(['create', 'get']);
  });

  test('leaves out a reference that is too long for a pin', async () => {
    const long = entry(`registry.test/${'a'.repeat(250)}/${'b'.repeat(250)}:${'c'.repeat(60)}`);
    expect((await record([WEB, long])).images).toEqual([WEB]);
  });

  test('gives up where it is lost again and again', async () => {
    await record([WEB]);
    api.before = (call) => {
      if (call === 'replace') fail(409);
    };
    await expect(record([entry('registry.test/one:1')], false)).rejects.toMatchObject({
      code: 'pin_unwritable',
    });
    expect(api.calls.length).toBeLessThan(100);
  });
});

describe('a failure of the API server', () => {
  test.each([403, 404, 422, 500, 503])(
    'with status %i is told apart by what was tried, and tells no secret',
    async (status) => {
      api.before = () => fail(status);
      const writing = await record([WEB]).catch((error: unknown) => error);
      expect(writing).toMatchObject({ code: 'pin_unwritable' });
      expect(JSON.stringify(errorFields(writing))).toContain(String(status));
      expect(JSON.stringify(errorFields(writing))).not.toContain('secret');
      if (status === 404) return;
      const reading = await store.read(REVISION, noDeadline()).catch((error: unknown) => error);
      expect(reading).toMatchObject({ code: 'pin_unreadable' });
    },
  );

  test('after the deadline is the deadline’s', async () => {
    const deadline = new AbortController();
    api.before = () => {
      deadline.abort(new Error('too late'));
      fail(500);
    };
    await expect(store.read(REVISION, deadline.signal)).rejects.toThrow('too late');
  });
});

describe('the name of a pin', () => {
  test('is the revision’s, and differs by its uid', () => {
    expect(NAME).toMatch(/^web-5d8f-[0-9a-f]{10}$/);
    expect(pinName({ ...REVISION, uid: 'other' })).not.toBe(NAME);
    expect(pinName(REVISION)).toBe(NAME);
  });

  test.each([
    'a'.repeat(253),
    `${'a'.repeat(239)}.${'b'.repeat(13)}`,
    `${'a'.repeat(238)}.-${'b'.repeat(13)}`,
    'a',
  ])('is a valid one for %s', (name) => {
    const made = pinName({ name, uid: 'u' });
    expect(made.length).toBeLessThanOrEqual(253);
    expect(made).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  });
});

test('a pin belongs to its revision, and blocks nothing', () => {
  const { metadata } = pinObject(REVISION, [WEB]) as { metadata: { ownerReferences: object[] } };
  const { apiVersion, kind, name, uid } = REVISION;
  expect(metadata.ownerReferences).toEqual([{ apiVersion, kind, name, uid }]);
});
