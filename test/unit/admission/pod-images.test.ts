import { describe, expect, test } from '@jest/globals';
import { InvalidPodError, podImages } from '../../../src/admission/pod-images.ts';
import { pod } from '../../support/pods.ts';

/** The value that a JSON pointer without escapes names. */
function at(object: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce((value, key) => (value as Record<string, unknown>)[key], object);
}

const EVERYTHING = pod({
  spec: {
    initContainers: [
      { name: 'prepare', image: 'prepare:1' },
      { name: 'proxy', image: 'proxy:1', restartPolicy: 'Always', imagePullPolicy: 'Always' },
    ],
    containers: [
      { name: 'web', image: 'web:1', imagePullPolicy: 'IfNotPresent' },
      { name: 'log', image: 'log:1' },
    ],
    ephemeralContainers: [{ name: 'debug', image: 'debug:1', imagePullPolicy: 'Never' }],
    volumes: [
      { name: 'tmp', emptyDir: {} },
      { name: 'model', image: { reference: 'model:1', pullPolicy: 'Always' } },
    ],
  },
});

describe('the image fields of a Pod', () => {
  test('are those of containers, init containers, sidecars, ephemeral containers and image volumes', () => {
    expect(
      podImages(EVERYTHING).map(({ type, name, image, pullPolicy }) => [type, name, image, pullPolicy]),
    ).toEqual([
      ['container', 'prepare', 'prepare:1', undefined],
      ['container', 'proxy', 'proxy:1', 'Always'],
      ['container', 'web', 'web:1', 'IfNotPresent'],
      ['container', 'log', 'log:1', undefined],
      ['ephemeral', 'debug', 'debug:1', 'Never'],
      ['volume', 'volume/model', 'model:1', 'Always'],
    ]);
  });

  test('are where their JSON pointers say, past volumes of other kinds', () => {
    const images = podImages(EVERYTHING);
    expect(images.map(({ imagePath }) => at(EVERYTHING, imagePath))).toEqual(
      images.map(({ image }) => image),
    );
    expect(images.map(({ pullPolicyPath }) => at(EVERYTHING, pullPolicyPath))).toEqual(
      images.map(({ pullPolicy }) => pullPolicy),
    );
    expect(images.at(-1)).toMatchObject({
      imagePath: '/spec/volumes/1/image/reference',
      pullPolicyPath: '/spec/volumes/1/image/pullPolicy',
    });
  });

  test('are empty where the image is missing, which Kubernetes reports itself', () => {
    const images = podImages(pod({ spec: { containers: [{ name: 'web' }, { name: 'log', image: null }] } }));
    expect(images.map(({ image }) => image)).toEqual(['', '']);
  });

  test('of image volumes may have neither reference nor pull policy', () => {
    const volumes = [{ name: 'model', image: {} }];
    expect(podImages(pod({ spec: { containers: null, volumes } }))).toMatchObject([
      { name: 'volume/model', image: '', pullPolicy: undefined },
    ]);
  });

  test.each(['containers', 'initContainers', 'ephemeralContainers', 'volumes'])(
    'may lack %s, or have null',
    (list) => {
      const spec = { containers: [], initContainers: [], ephemeralContainers: [], volumes: [] };
      expect(podImages({ spec: { ...spec, [list]: null } })).toEqual([]);
      expect(podImages({ spec: { ...spec, [list]: undefined } })).toEqual([]);
    },
  );

  test('do not come from volumes whose image is null', () => {
    expect(podImages({ spec: { volumes: [{ name: 'tmp', image: null, emptyDir: {} }] } })).toEqual([]);
  });
});

describe('what is not built like a Pod', () => {
  test.each([
    ['no spec', {}],
    ['a null spec', { spec: null }],
    ['a list as spec', { spec: [] }],
    ['a text as containers', { spec: { containers: 'web' } }],
    ['an object as containers', { spec: { containers: { web: {} } } }],
    ['a null container', { spec: { containers: [null] } }],
    ['a text as container', { spec: { initContainers: ['web:1'] } }],
    ['a list as ephemeral container', { spec: { ephemeralContainers: [[]] } }],
    ['a number as image', { spec: { containers: [{ name: 'web', image: 1 }] } }],
    ['a list as image', { spec: { containers: [{ name: 'web', image: ['web:1'] }] } }],
    ['a number as name', { spec: { containers: [{ name: 1, image: 'web:1' }] } }],
    ['an object as pull policy', { spec: { containers: [{ name: 'web', imagePullPolicy: {} }] } }],
    ['a text as volume', { spec: { volumes: ['data'] } }],
    ['a text as image of a volume', { spec: { volumes: [{ name: 'data', image: 'data:1' }] } }],
    ['a number as reference', { spec: { volumes: [{ name: 'data', image: { reference: 1 } }] } }],
    ['a number as name of a volume', { spec: { volumes: [{ name: 1, image: { reference: 'data:1' } }] } }],
  ])('is refused: %s', (_what, object) => {
    expect(() => podImages(object)).toThrow(InvalidPodError);
  });

  test('is refused with the place of the fault', () => {
    const containers = [
      { name: 'web', image: 'web:1' },
      { name: 'log', image: 5 },
    ];
    expect(() => podImages({ spec: { containers } })).toThrow('/spec/containers/1/image is not a string');
  });
});
