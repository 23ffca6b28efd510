import { beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Mode } from '../../../src/admission/outcome.ts';
import type { AdmissionRequest } from '../../../src/admission/review.ts';
import { responseText } from '../../../src/admission/response.ts';
import { pinName } from '../../../src/pins/image-pin.ts';
import { PinMemory } from '../../../src/pins/pin-memory.ts';
import { PinStoreError, type PinStore } from '../../../src/pins/pin-store.ts';
import { AdmissionLog } from '../../../src/telemetry/admission-log.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { FakeClock } from '../../support/clock.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { heldBytes } from '../../support/heap.ts';
import { admissionRequest, ownedBy, pod } from '../../support/pods.ts';

// Decisions that are not made anew: replicas of a known revision get the one of the Pod before them.

const A = digest('a');
const B = digest('b');
const WEB = 'registry.test/shop/web:1.0';
const SIDECAR = 'registry.test/shop/sidecar:2';

let pins: PinMemory;
let admission: AdmissionUnderTest;
beforeEach(() => {
  pins = new PinMemory({ maxPins: 100, now: new FakeClock().now });
  pins.open();
  admission = underTest();
});

function underTest(options: ConstructorParameters<typeof AdmissionUnderTest>[0] = {}): AdmissionUnderTest {
  const made = new AdmissionUnderTest({ pinMemory: pins, ...options });
  made.tags.set(WEB, A);
  made.tags.set(SIDECAR, B);
  return made;
}

/** The first Pod of a revision, and its first replica: from then on the decision is known. */
async function learn(object: object, mode: Mode = 'enabled'): Promise<void> {
  await admission.decide(admissionRequest(object), mode);
  await admission.decide(admissionRequest(object), mode);
}

/** As the watch tells that the first pin was deleted. */
function forgetFirst(): void {
  for (const { revision, id } of admission.created.slice(0, 1))
    pins.forget({ namespace: revision.namespace, name: pinName(revision), id });
}

function isKnown(object: object, fields: Partial<AdmissionRequest> = {}, mode: Mode = 'enabled'): boolean {
  return admission.known(admissionRequest(object, fields), mode) !== undefined;
}

describe('the decision about a replica', () => {
  test('is known from the second Pod of its revision on, and is what the second Pod got', async () => {
    const request = admissionRequest(pod());
    expect(admission.known(request)).toBeUndefined();
    await admission.decide(request);
    expect(admission.known(request)).toBeUndefined();
    const second = await admission.decide(request);
    expect(admission.known(request)).toEqual({ ...second, isRepeated: true });
    expect(second.images).toMatchObject([{ result: { digest: A, source: 'pin' } }]);
  });

  test('is the same object for all of them, so that what is made of it can be kept', async () => {
    await learn(pod());
    const [one, two] = [{ uid: 'u-1' }, { uid: 'u-2' }].map((fields) =>
      admission.known(admissionRequest(pod(), fields)),
    );
    expect(one).toBeDefined();
    expect(two).toBe(one);
  });

  test('holds whatever else the Pods differ in', async () => {
    await learn(pod());
    const other = pod({
      metadata: { generateName: 'web-', managedFields: [{ manager: 'x' }] },
      spec: { nodeName: 'node-7', volumes: [{ name: 'token-x7f', emptyDir: {} }] },
    });
    await learn(other);
    const third = pod({
      metadata: { generateName: 'web-', managedFields: [{ manager: 'y' }], uid: 'p-9' },
      spec: { nodeName: 'node-8', volumes: [{ name: 'token-a11', emptyDir: {} }] },
    });
    expect(isKnown(third)).toBe(true);
  });

  test.each<[string, object]>([
    ['another image', { spec: { containers: [{ name: 'web', image: SIDECAR }] } }],
    ['another name of a container', { spec: { containers: [{ name: 'app', image: WEB }] } }],
    ['a pull policy', { spec: { containers: [{ name: 'web', image: WEB, imagePullPolicy: 'Never' }] } }],
    [
      'its container among the init containers',
      { spec: { containers: [], initContainers: [{ name: 'web', image: WEB }] } },
    ],
    [
      'one more container',
      {
        spec: {
          containers: [
            { name: 'web', image: WEB },
            { name: 'b', image: WEB },
          ],
        },
      },
    ],
    ['an image volume', { spec: { volumes: [{ name: 'data', image: { reference: WEB } }] } }],
    ['an ephemeral container', { spec: { ephemeralContainers: [{ name: 'debug', image: WEB }] } }],
    ['a pull secret', { spec: { imagePullSecrets: [{ name: 'regcred' }] } }],
    ['an annotation', { metadata: { annotations: { 'samebytes.dev/policy': 'off' } } }],
    ['annotations, though none is in them', { metadata: { annotations: {} } }],
    ['a label', { metadata: { labels: { 'pod-template-hash': 'x' } } }],
    ['a name', { metadata: { name: 'web-0' } }],
    ['another revision', { metadata: { ownerReferences: [ownedBy('ReplicaSet', 'rs-2')] } }],
    ['another kind of owner', { metadata: { ownerReferences: [ownedBy('StatefulSet', 'rs-1')] } }],
    ['no owner', { metadata: { ownerReferences: [] } }],
  ])(
    'is not that about a Pod with %s',
    async (_what, { metadata, spec }: { metadata?: object; spec?: object }) => {
      await learn(pod());
      expect(isKnown(pod())).toBe(true);
      const other = pod({ ...(metadata && { metadata }), ...(spec && { spec }) });
      expect(isKnown(other)).toBe(false);
    },
  );

  test.each<[string, Partial<AdmissionRequest>, Mode]>([
    ['in another namespace', { namespace: 'bank' }, 'enabled'],
    ['in another mode', {}, 'allow'],
    ['that only is an audit', {}, 'audit'],
    ['that only is a dry run', { dryRun: true }, 'enabled'],
    ['that is changed', { operation: 'UPDATE', oldObject: pod() }, 'enabled'],
    ['of another resource', { resource: 'apps/deployments' }, 'enabled'],
    ['by way of a subresource', { subResource: 'binding' }, 'enabled'],
    ['that is not sent', { object: undefined }, 'enabled'],
  ])('is not that about a Pod %s', async (_what, fields, mode) => {
    await learn(pod());
    expect(isKnown(pod(), fields, mode)).toBe(false);
  });

  test('is not remembered of Pods that leave no trace', async () => {
    await learn(pod(), 'audit');
    expect(isKnown(pod(), {}, 'audit')).toBe(false);
    await admission.decide(admissionRequest(pod(), { dryRun: true }));
    expect(isKnown(pod(), { dryRun: true })).toBe(false);
  });

  test('is not remembered where a registry had a part in it, or a Pod is watched for being recreated', async () => {
    admission = underTest({ rules: [{ images: [SIDECAR], policy: 'follow' }] });
    const followed = pod({
      spec: {
        containers: [
          { name: 'web', image: WEB },
          { name: 'sidecar', image: SIDECAR },
        ],
      },
    });
    await learn(followed);
    expect(isKnown(followed)).toBe(false);
    const named = pod({ metadata: { name: 'web-0' } });
    await learn(named);
    expect(isKnown(named)).toBe(false);
  });

  test('is not remembered of a Pod that is refused, or left alone', async () => {
    admission.tags.fail(WEB, 'not_found');
    await learn(pod());
    expect(isKnown(pod())).toBe(false);
    const off = pod({ metadata: { annotations: { 'samebytes.dev/policy': 'off' } } });
    await learn(off);
    expect(isKnown(off)).toBe(false);
  });

  test('ends with its pin: a revision that is born again gets what the tag means then', async () => {
    await learn(pod());
    forgetFirst();
    expect(isKnown(pod())).toBe(false);
    expect(isKnown(pod())).toBe(false);
  });

  test('ends while deletions of pins cannot be followed', async () => {
    await learn(pod());
    pins.close();
    expect(isKnown(pod())).toBe(false);
    pins.open();
    expect(isKnown(pod())).toBe(false);
    await admission.decide(admissionRequest(pod()));
    await admission.decide(admissionRequest(pod()));
    expect(isKnown(pod())).toBe(true);
  });

  test('is made anew once its pin holds more images, and stays the same', async () => {
    await learn(pod());
    await learn(pod({ spec: { containers: [{ name: 'sidecar', image: SIDECAR }] } }));
    expect(isKnown(pod())).toBe(false);
    const { images } = await admission.decide(admissionRequest(pod()));
    expect(images).toMatchObject([{ result: { digest: A, source: 'pin' } }]);
    expect(isKnown(pod())).toBe(true);
  });

  test('is not kept where the pin is forgotten while it is made', async () => {
    await admission.decide(admissionRequest(pod()));
    const deciding = admission.decide(admissionRequest(pod()));
    forgetFirst();
    await deciding;
    expect(isKnown(pod())).toBe(false);
  });

  test('of a DaemonSet is known by its ControllerRevision, and ends with the pin of that', async () => {
    admission = underTest({ controllerRevisions: { uidOf: async () => 'cr-1' } });
    const daemon = pod({
      metadata: {
        ownerReferences: [ownedBy('DaemonSet', 'ds-1')],
        labels: { 'controller-revision-hash': 'x1' },
      },
    });
    await learn(daemon);
    expect(isKnown(daemon)).toBe(true);
    forgetFirst();
    expect(isKnown(daemon)).toBe(false);
  });

  test('is not asked for where a Pod is nested deeper than can be written, and nothing is thrown', () => {
    const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as unknown;
    expect(isKnown(pod({ metadata: { labels: { deep } } }))).toBe(false);
  });

  test.each([
    ['a spec that is none', { metadata: {}, spec: 'x' }],
    ['metadata that are none', { metadata: [], spec: {} }],
    ['nothing in it', {}],
    ['lists that are none', pod({ spec: { containers: 'web', volumes: 7, imagePullSecrets: {} } })],
    ['items that are none', pod({ spec: { containers: [null, 7, 'web'], volumes: [null] } })],
  ])('is not known for a Pod with %s', (_what, object) => {
    expect(isKnown(object)).toBe(false);
  });
});

/** Values that a decision reads, and others that look like them. */
const part = fc.constantFrom<object>(
  {},
  { spec: { containers: [{ name: 'web', image: SIDECAR }] } },
  { spec: { containers: [{ name: 'web', image: WEB, imagePullPolicy: 'Always' }] } },
  { spec: { containers: [{ name: 'web', image: WEB }], initContainers: [{ name: 'web', image: WEB }] } },
  { spec: { containers: [{ name: 'web', image: WEB }, {}] } },
  { spec: { containers: [{ name: 'web', image: WEB }, 5] } },
  { spec: { containers: [{ name: 'web', image: WEB }, { name: 'b' }] } },
  {
    spec: {
      containers: [
        { name: 'web', image: WEB },
        { name: 'b', image: `${WEB}@${B}` },
      ],
    },
  },
  { spec: { volumes: [{ name: 'a', image: { reference: SIDECAR } }] } },
  { spec: { volumes: [{ name: 'a', image: null }] } },
  { metadata: { annotations: { 'samebytes.dev/policy': 'web=off' } } },
  { metadata: { annotations: { 'samebytes.dev/images': '{}' } } },
  { metadata: { annotations: { 'samebytes.dev/left-alone': 'web' } } },
  { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } },
  { metadata: { annotations: { other: 'x'.repeat(262_100) } } },
  { metadata: { annotations: null } },
  { metadata: { labels: { 'pod-template-hash': 'web' } } },
  { metadata: { ownerReferences: [ownedBy('ReplicaSet', 'rs-2')] } },
  { metadata: { ownerReferences: [ownedBy('Job', 'job-1', 'batch/v1')] } },
  { metadata: { ownerReferences: [{}, ownedBy('ReplicaSet', 'rs-1')] } },
  { metadata: { name: 'web-0' } },
  { metadata: { name: 'w'.repeat(300) } },
);

test('whatever Pods came before, a Pod gets the very answer that it would have got without them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(part, part, fc.constantFrom<Mode>('enabled', 'allow', 'audit')), {
        minLength: 2,
        maxLength: 12,
      }),
      async (steps) => {
        const requests = steps.map(([one, two, mode]) => {
          const { metadata, spec } = { ...one, ...two } as { metadata?: object; spec?: object };
          return {
            request: admissionRequest(pod({ ...(metadata && { metadata }), ...(spec && { spec }) })),
            mode,
          };
        });
        pins = new PinMemory({ maxPins: 100, now: new FakeClock().now });
        pins.open();
        const remembering = underTest();
        const forgetting = underTest({
          pinMemory: new PinMemory({ maxPins: 100, now: new FakeClock().now }),
        });
        for (const { request, mode } of [...requests, ...requests, ...requests]) {
          const { isRepeated: _is, ...decision } = await remembering.decide(request, mode);
          const expected = await forgetting.decide(request, mode);
          expect(withoutDates(decision)).toEqual(withoutDates(expected));
        }
      },
    ),
    { numRuns: 150 },
  );
});

/** A pin's id counts how many there were before it. */
function withoutDates(decision: object): unknown {
  return JSON.parse(
    JSON.stringify(decision, (key, value: unknown) => (key === 'tookMs' ? undefined : value)),
  );
}

test('what is kept is bounded, however large the Pods are', async () => {
  const containers = Array.from({ length: 100 }, (_, index) => ({ name: `c${index}`, image: WEB }));
  const log = new AdmissionLog(createLog({ level: 'info', pretty: false, destination: { write: () => {} } }));
  const before = heldBytes();
  for (let revision = 0; revision < 300; revision += 1) {
    const ownerReferences = [ownedBy('ReplicaSet', `rs-${revision}`)];
    const request = admissionRequest(pod({ metadata: { ownerReferences }, spec: { containers } }));
    await admission.decide(request);
    await admission.decide(request);
    const decision = admission.known(request);
    if (decision === undefined) throw new Error('it is not known');
    responseText(request.uid, decision, 'enabled');
    log.write({ request, mode: 'enabled', decision, durationMs: 1 });
  }
  expect((heldBytes() - before) / (1024 * 1024)).toBeLessThan(12);
});

test('a store that fails is not hidden by what is known: nothing is known then', async () => {
  const failing: PinStore = {
    read: async () => Promise.reject(new PinStoreError('pin_unreadable', 'down')),
    record: async () => Promise.reject(new PinStoreError('pin_unwritable', 'down')),
  };
  admission = underTest({ store: failing });
  await learn(pod(), 'allow');
  expect(isKnown(pod(), {}, 'allow')).toBe(false);
});
