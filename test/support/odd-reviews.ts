import * as fc from 'fast-check';
import { digest } from './digests.ts';
import { admissionReview, ownedBy, pod } from './pods.ts';

// Reviews as the API server sends them, and as it never would: a good one, in which values are replaced.

const NAMES = [
  'web',
  'log',
  'init',
  '__proto__',
  'constructor',
  'toString',
  '',
  'a/b',
  'a,b',
  'volume/web',
  '\ud800',
];
const IMAGES = [
  'nginx:1',
  'nginx',
  'docker.io/library/nginx:1',
  'Ghcr.IO/org/app:v1',
  'ghcr.io/org/app:v1',
  'missing:1',
];
const ODD_IMAGES = [
  '',
  ' ',
  'nginx:',
  'NGINX',
  'a@b',
  `nginx@${digest('b')}`,
  `nginx:1@${digest('b')}`,
  'x'.repeat(300),
];

/** References that a registry knows: what the images above mean. */
export const KNOWN_TAGS = {
  'docker.io/library/nginx:1': digest('1'),
  'docker.io/library/nginx:latest': digest('2'),
  'ghcr.io/org/app:v1': digest('3'),
} as const;

/** A value that is mostly not there. */
const seldom = <T>(value: T) =>
  fc.oneof({ weight: 19, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constant(value) });
const name = fc.constantFrom(...NAMES);
const image = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...IMAGES) }, fc.constantFrom(...ODD_IMAGES));
const pullPolicy = fc.constantFrom('Always', 'Never', 'IfNotPresent', undefined);
const containers = fc.array(
  fc.record({ name, image, imagePullPolicy: pullPolicy, unknown: fc.jsonValue() }),
  {
    maxLength: 4,
  },
);
const volumes = fc.array(
  fc.record({ name, image: fc.option(fc.record({ reference: image, pullPolicy }), { nil: undefined }) }),
  { maxLength: 2 },
);
const recorded = fc
  .dictionary(name, fc.record({ reference: image, digest: fc.constantFrom(digest('1'), digest('b'), 'x') }))
  .map((images) => JSON.stringify(images));
const annotations = fc.record(
  {
    'samebytes.dev/policy': fc.constantFrom(
      'off',
      'follow',
      'sticky',
      'web=off,follow',
      '=,,x',
      '__proto__=off',
    ),
    'samebytes.dev/images': fc.oneof(recorded, fc.constantFrom('{', '[]', '{"web":{}}')),
    'samebytes.dev/left-alone': fc.constantFrom('', '*', 'web'),
    'kubernetes.io/config.mirror': seldom('x'),
    other: fc.string(),
  },
  { requiredKeys: [] },
);
const owner = fc.constantFrom<unknown>(
  ownedBy('ReplicaSet', 'rs-1'),
  ownedBy('StatefulSet', 'sts-1'),
  ownedBy('Job', 'job-1', 'batch/v1'),
  ownedBy('Cluster', 'cr-1', 'postgresql.cnpg.io/v1'),
  ownedBy('ReplicaSet', '__proto__', 'apps/v1', 'constructor'),
  { controller: true },
);
const object = fc
  .record({
    name: fc.constantFrom(undefined, 'bare'),
    annotations: fc.option(annotations, { nil: undefined }),
    labels: fc.dictionary(name, fc.string(), { maxKeys: 2 }),
    ownerReferences: fc.array(fc.oneof(owner, owner, seldom(ownedBy('Node', 'node-1', 'v1'))), {
      maxLength: 2,
    }),
    containers,
    initContainers: fc.option(containers),
    ephemeralContainers: fc.option(containers),
    volumes: fc.option(volumes),
  })
  .map(({ name: podName, annotations: written, labels, ownerReferences, ...spec }) =>
    pod({ metadata: { name: podName, annotations: written, labels, ownerReferences }, spec }),
  );
const goodReview = fc
  .record({
    object: fc.option(object, { freq: 30 }),
    oldObject: fc.option(object),
    operation: fc.constantFrom(
      ...Array<string>(6).fill('CREATE'),
      'UPDATE',
      'UPDATE',
      'UPDATE',
      'DELETE',
      'CONNECT',
    ),
    subResource: fc.constantFrom(...Array<string>(8).fill(''), 'ephemeralcontainers', 'status'),
    dryRun: fc.boolean(),
  })
  .map(({ object: made, ...request }) => admissionReview(made, request));

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, 0, -1, true, '', 'nginx:1', [], {}, [[]], [null], {
    __proto__: null,
  }),
  fc
    .constant(undefined)
    .map(() => JSON.parse('{"__proto__":{"spec":{"containers":[]}},"constructor":1}') as unknown),
  fc.jsonValue(),
);

/** One place of a review, counted in the order in which JSON is read, and what it holds instead. */
const replacement = fc.record({ place: fc.nat(200), value: oddValue });

/** A review of which up to three values are others than they should be; as it comes out of JSON. */
export const oddReview: fc.Arbitrary<unknown> = fc
  .tuple(goodReview, fc.array(replacement, { maxLength: 3 }))
  .map(([review, replacements]) =>
    replacements.reduce<unknown>(
      (changed, { place, value }) => replaceAt(changed, place, value),
      JSON.parse(JSON.stringify(review)),
    ),
  );

function replaceAt(json: unknown, place: number, value: unknown): unknown {
  const text = JSON.stringify(json);
  if (text === undefined) return json;
  let count = 0;
  JSON.parse(text, (_key, original: unknown) => {
    count += 1;
    return original;
  });
  let at = 0;
  return JSON.parse(text, (_key, original: unknown) => (at++ === place % count ? value : original));
}
