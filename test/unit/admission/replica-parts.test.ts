import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { podImages } from '../../../src/admission/pod-images.ts';
import { isLikePod, partsOf } from '../../../src/admission/replica-parts.ts';
import type { JsonObject } from '../../../src/json/json-object.ts';
import { pod } from '../../support/pods.ts';

// Whether a Pod gets the decision about another one: never where anything that decides is different.

const WEB = 'registry.test/shop/web:1.0';

function isLike(one: JsonObject, other: JsonObject): boolean {
  const parts = partsOf(other);
  return parts !== undefined && isLikePod(one, parts);
}

function many(count: number): object[] {
  return Array.from({ length: count }, () => ({}));
}

/** What is decided by, in other words than the code's own. */
function read({ metadata, spec }: JsonObject): unknown {
  const { labels, annotations, ownerReferences } = metadata as JsonObject;
  const { imagePullSecrets } = spec as JsonObject;
  return { labels, annotations, owners: ownerReferences ?? [], secrets: imagePullSecrets ?? [] };
}

// As it comes from JSON, and few and odd ones, so that two Pods often have the same.
const text = fc.constantFrom<unknown>(undefined, null, '', 'a', 'containers', 'volume');
const odd = fc.oneof(
  { weight: 30, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(1, true, {}, []) },
);
const container = fc.oneof(
  { weight: 30, arbitrary: fc.record({ name: odd, image: odd, imagePullPolicy: odd }) },
  { weight: 1, arbitrary: odd },
);
const volume = fc.oneof(
  { weight: 15, arbitrary: fc.record({ name: odd }) },
  { weight: 15, arbitrary: fc.record({ name: odd, image: fc.record({ reference: odd, pullPolicy: odd }) }) },
  { weight: 1, arbitrary: odd },
);
const list = (of: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary: fc.array(of, { maxLength: 2 }) }, { weight: 1, arbitrary: odd });
const fields = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), odd, { maxKeys: 2 }),
  },
  { weight: 1, arbitrary: odd },
);
const anyPod = fc
  .record({
    metadata: fc.record({ labels: fields, annotations: fields, ownerReferences: list(fields) }),
    spec: fc.record({
      initContainers: list(container),
      containers: list(container),
      ephemeralContainers: list(container),
      volumes: list(volume),
      imagePullSecrets: list(fields),
    }),
  })
  .map((made) => JSON.parse(JSON.stringify(made)) as JsonObject);

test('a Pod that is like another one has its images, its labels and all else that decides', () => {
  let alike = 0;
  fc.assert(
    fc.property(anyPod, anyPod, fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }), (one, two, choices) => {
      // A Pod of parts of both, so that many are alike in most.
      const mixed = {
        metadata: mixOf(one['metadata'] as JsonObject, two['metadata'] as JsonObject, choices.slice(0, 3)),
        spec: mixOf(one['spec'] as JsonObject, two['spec'] as JsonObject, choices.slice(3)),
      };
      if (!isLike(mixed, one)) return;
      alike += 1;
      expect(podImages(mixed)).toEqual(podImages(one));
      expect(read(mixed)).toStrictEqual(read(one));
    }),
    { numRuns: 20_000 },
  );
  expect(alike).toBeGreaterThan(100);
});

/** Of ten choices one takes the field of the second. */
function mixOf(one: JsonObject, two: JsonObject, choices: readonly number[]): JsonObject {
  const names = Object.keys(one);
  return Object.fromEntries(names.map((name, index) => [name, choices[index] === 0 ? two[name] : one[name]]));
}

test('a Pod is like itself, read again from its JSON', () => {
  const whole = pod({
    metadata: {
      labels: { app: 'web', 'pod-template-hash': 'x' },
      annotations: { 'samebytes.dev/policy': 'sticky' },
      ownerReferences: [{ kind: 'ReplicaSet', uid: 'u', controller: true }],
    },
    spec: {
      initContainers: [{ name: 'init', image: WEB }],
      containers: [{ name: 'web', image: WEB, imagePullPolicy: null }],
      volumes: [
        { name: 'a', emptyDir: {} },
        { name: 'b', image: { reference: WEB } },
      ],
      imagePullSecrets: [{ name: 'regcred' }],
    },
  });
  expect(isLike(JSON.parse(JSON.stringify(whole)) as JsonObject, whole)).toBe(true);
});

describe('a Pod is not like another one', () => {
  test.each<[string, object, object]>([
    [
      'whose container is an init container',
      { initContainers: [{ name: 'a', image: WEB }], containers: [] },
      { initContainers: [], containers: [{ name: 'a', image: WEB }] },
    ],
    [
      'whose words stand where a list would end',
      { initContainers: [{ name: 'x', image: 'y', imagePullPolicy: 'z' }], containers: [] },
      { initContainers: [], containers: [{ name: null, image: 'x', imagePullPolicy: 'y' }] },
    ],
    [
      'with an image volume of nothing in the place of others',
      { volumes: [{}, {}, {}, {}] },
      { volumes: [{ image: {} }] },
    ],
    ['whose image volume is the second', { volumes: [{ image: {} }, {}] }, { volumes: [{}, { image: {} }] }],
    ['with one pull secret more', { imagePullSecrets: [{ name: 'a' }] }, { imagePullSecrets: [] }],
    [
      'whose pull secret has another field',
      { imagePullSecrets: [{ name: 'a', x: 'b' }] },
      { imagePullSecrets: [{ name: 'a', y: 'b' }] },
    ],
  ])('%s', (_what, one, other) => {
    expect(isLike(pod({ spec: one }), pod({ spec: other }))).toBe(false);
    expect(isLike(pod({ spec: other }), pod({ spec: one }))).toBe(false);
    expect(isLike(pod({ spec: one }), pod({ spec: one }))).toBe(true);
  });

  test('that has a field of the language', () => {
    const own = JSON.parse('{"__proto__":"x"}') as object;
    expect(isLike(pod({ metadata: { labels: {} } }), pod({ metadata: { labels: own } }))).toBe(false);
    expect(isLike(pod({ metadata: { labels: own } }), pod({ metadata: { labels: {} } }))).toBe(false);
    expect(isLike(pod({ metadata: { labels: own } }), pod({ metadata: { labels: own } }))).toBe(true);
  });
});

test.each<[string, object]>([
  ['labels that hold more than texts', { metadata: { labels: { a: { b: 'c' } } } }],
  ['a number among its annotations', { metadata: { annotations: { a: Infinity } } }],
  ['owners that are no list', { metadata: { ownerReferences: {} } }],
  ['a pull secret that is a list', { spec: { imagePullSecrets: [['a']] } }],
  ['a container that is a text', { spec: { containers: ['a'] } }],
  ['longer texts than is worth it', { metadata: { annotations: { a: 'x'.repeat(16_001) } } }],
  ['a longer name than is worth it', { metadata: { labels: { ['x'.repeat(16_001)]: '' } } }],
  ['more volumes than is worth it', { spec: { volumes: many(4_001) } }],
  ['more pull secrets than is worth it', { spec: { imagePullSecrets: many(4_001) } }],
  [
    'more labels than is worth it',
    { metadata: { labels: Object.fromEntries(many(2_001).map((_, n) => [n, ''])) } },
  ],
])('nothing is kept of a Pod with %s', (_what, parts) => {
  expect(partsOf(pod(parts))).toBeUndefined();
});

test('a Pod that is nested without an end is compared all the same', () => {
  const nested = JSON.parse(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`) as object;
  const parts = partsOf(pod({ metadata: { labels: { a: 'x' } } }));
  if (parts === undefined) throw new Error('nothing was kept');
  expect(isLikePod(pod({ metadata: { labels: nested } }), parts)).toBe(false);
  expect(partsOf(pod({ metadata: { labels: nested } }))).toBeUndefined();
});
