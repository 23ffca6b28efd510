import { describe, expect, test } from '@jest/globals';
import {
  decisionEvents,
  missingEvents,
  pinnedEvent,
  recreatedEvent,
  splitEvent,
  tagMovedEvent,
  type OwnerEvent,
} from '../../../src/admission/owner-event.ts';
import type { Mode } from '../../../src/admission/outcome.ts';
import type { PinnedImage } from '../../../src/pins/image-pin.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { admissionRequest, barePod, ownedBy, pod } from '../../support/pods.ts';

const [A, B] = [digest('a'), digest('b')];
const OWNER = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d8f', uid: 'u' };

/** What the owner hears of a Pod with these images, none of which any registry has. */
async function heard(
  images: readonly string[],
  { mode = 'enabled', dryRun = false, kind = 'ReplicaSet' }: { mode?: Mode; dryRun?: boolean; kind?: string },
): Promise<OwnerEvent[]> {
  const containers = images.map((image, index) => ({ name: `c${index}`, image }));
  const apiVersion = kind === 'Database' ? 'example.com/v1' : 'apps/v1';
  const object = pod({
    metadata: { ownerReferences: [ownedBy(kind, 'u', apiVersion)] },
    spec: { containers },
  });
  const request = admissionRequest(object, { dryRun });
  return decisionEvents(request, mode, await new AdmissionUnderTest().decide(request, mode));
}

describe('the owner of a Pod', () => {
  test('that is refused hears what the denial says', async () => {
    expect(await heard(['nginx:1'], {})).toEqual([
      {
        namespace: 'shop',
        owner: expect.objectContaining({ kind: 'ReplicaSet', uid: 'u' }),
        type: 'Warning',
        reason: 'ImageRefused',
        message: expect.stringContaining(
          'cannot pin image "nginx:1" (docker.io): the registry has no such tag',
        ),
      },
    ]);
  });

  test('that runs by its tags hears why, image by image', async () => {
    const [event, ...others] = await heard(['nginx:1', 'redis:7'], { mode: 'allow' });
    expect(others).toEqual([]);
    expect(event).toMatchObject({ type: 'Warning', reason: 'ImageNotPinned' });
    expect(event?.message).toBe(
      'c0: "nginx:1" runs by its tag, not pinned: the registry has no such tag; c1: "redis:7" runs by its tag, not pinned: the registry has no such tag',
    );
  });

  test('hears of four images, and how many more there are', async () => {
    const [event] = await heard(['a:1', 'b:1', 'c:1', 'd:1', 'e:1', 'f:1'], { mode: 'allow' });
    expect(event?.message).toContain('"d:1"');
    expect(event?.message).not.toContain('"e:1"');
    expect(event?.message).toMatch(/; and 2 more$/);
  });

  test('that is a custom resource hears why its Pods are left alone', async () => {
    const [event] = await heard(['nginx:1'], { kind: 'Database' });
    expect(event).toMatchObject({ reason: 'ImageNotPinned', owner: { kind: 'Database' } });
    expect(event?.message).toContain('the owner is a custom resource');
  });

  test.each<[string, { mode?: Mode; dryRun?: boolean }]>([
    ['a dry run', { dryRun: true }],
    ['a dry run that would be admitted', { dryRun: true, mode: 'allow' }],
    ['an audit', { mode: 'audit' }],
  ])('hears nothing of %s', async (_what, how) => {
    expect(await heard(['nginx:1'], how)).toEqual([]);
  });

  test('hears nothing of each Pod that is pinned, nor of images that were to be left alone', async () => {
    const admission = new AdmissionUnderTest();
    admission.tags.set('docker.io/library/nginx:1', A);
    for (const container of [
      { name: 'web', image: 'nginx:1' },
      { name: 'web', image: 'redis:7', imagePullPolicy: 'Never' },
      { name: 'web', image: 'not//a reference' },
    ]) {
      const request = admissionRequest(pod({ spec: { containers: [container] } }));
      expect(decisionEvents(request, 'enabled', await admission.decide(request))).toEqual([]);
    }
  });

  test('is nobody where the Pod is bare', async () => {
    const request = admissionRequest(barePod({ name: 'web', image: 'nginx:1' }));
    const decision = await new AdmissionUnderTest().decide(request);
    expect(decision.outcome).toBe('refused');
    expect(decisionEvents(request, 'enabled', decision)).toEqual([]);
  });
});

const image = (reference: string, value: string, source: PinnedImage['source']): PinnedImage => ({
  reference,
  digest: value,
  resolvedAt: '2026-05-01T09:12:44.000Z',
  source,
});

describe('the words of an event', () => {
  test('at a birth name each reference and its digest', () => {
    const images = [image('docker.io/library/nginx:1', A, 'resolved'), image('r.test/a:1', B, 'adopted')];
    const pin = { id: 'p', revision: { ...OWNER, namespace: 'shop' }, images };
    expect(pinnedEvent(OWNER, pin, images)).toEqual({
      namespace: 'shop',
      owner: OWNER,
      type: 'Normal',
      reason: 'ImagePinned',
      message: `for all Pods of web-5d8f: docker.io/library/nginx:1 is ${A}; r.test/a:1 is ${B}, as its Pods ran already`,
    });
  });

  test('about a split name the digests, what is chosen, and how to heal it', () => {
    const split = { revision: 'web-5d8f', reference: 'r.test/a:1', digests: [A, B], chosen: undefined };
    const event = splitEvent(OWNER, 'shop', split);
    expect(event).toMatchObject({ type: 'Warning', reason: 'RevisionSplit', owner: OWNER });
    expect(event.message).toContain(`(${A}, ${B}); new Pods get what the tag means now`);
    expect(event.message).toContain('kubectl rollout restart');
    expect(splitEvent(OWNER, 'shop', { ...split, chosen: A }).message).toContain(`new Pods get ${A}`);
  });

  test('about a moved tag warn only where old bytes run again', () => {
    const move = { reference: 'r.test/a:1', from: A, to: B, other: 'web-aaaa' } as const;
    expect(tagMovedEvent(OWNER, 'shop', 'web-5d8f', { ...move, seen: 'born' })).toMatchObject({
      type: 'Normal',
      reason: 'TagMoved',
      message: `r.test/a:1 has moved: web-5d8f runs ${B}, web-aaaa before it ${A}`,
    });
    expect(tagMovedEvent(OWNER, 'shop', 'web-5d8f', { ...move, seen: 'served' })).toMatchObject({
      type: 'Warning',
      reason: 'TagMoved',
      message: expect.stringContaining(`Pods of web-5d8f run ${A}, as its first Pod did, though r.test/a:1`),
    });
  });

  test('about a Pod that is left alone say how to turn samebytes off for it', () => {
    const named = { namespace: 'shop', name: 'db-0', owner: OWNER, revision: undefined };
    const { reason, message } = recreatedEvent(named);
    expect(reason).toBe('ImageNotPinned');
    expect(message).toContain('samebytes.dev/policy: "off"');
  });

  test('about a digest that is gone tell each owner what it means and what helps', () => {
    const uses = ['web-5d8f', 'web-aaaa'].map((name) => ({ owner: { ...OWNER, name }, revision: { name } }));
    const events = missingEvents({ namespace: 'shop', repository: 'r.test/a', digest: A, uses });
    expect(events.map(({ owner }) => owner.name)).toEqual(['web-5d8f', 'web-aaaa']);
    expect(events[0]).toMatchObject({ namespace: 'shop', type: 'Warning', reason: 'PinnedDigestMissing' });
    expect(events[0]?.message).toContain(`r.test/a@${A} any more, to which web-5d8f is pinned`);
    expect(events[0]?.message).toContain('kubectl rollout restart');
  });
});
