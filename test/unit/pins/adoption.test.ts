import { describe, expect, test } from '@jest/globals';
import { parseReference } from '../../../src/image/reference.ts';
import { adoptionFrom, evidenceOf, type Evidence } from '../../../src/pins/adoption.ts';
import type { SiblingImage } from '../../../src/pins/siblings.ts';
import type { ManifestContent } from '../../../src/registry/manifest.ts';
import { digest } from '../../support/digests.ts';

const [A, B, C] = [digest('a'), digest('b'), digest('c')];
const REFERENCE = parseReference('nginx:1');

function evidence(...siblings: Partial<SiblingImage>[]): { recorded: string[]; running: string[] } {
  const full = siblings.map((sibling) => ({
    image: 'nginx:1',
    recorded: undefined,
    imageId: undefined,
    state: 'running' as const,
    ...sibling,
  }));
  const { recorded, running } = evidenceOf(REFERENCE, full);
  return { recorded: [...recorded], running: [...running] };
}

describe('a Pod that was admitted by its tag tells its digest', () => {
  test.each([
    ['as containerd writes it', `docker.io/library/nginx@${A}`],
    ['in the short form', `nginx@${A}`],
    ['as cri-dockerd writes it', `docker-pullable://nginx@${A}`],
  ])('%s', (_how, imageId) => {
    expect(evidence({ imageId })).toEqual({ recorded: [], running: [A] });
  });

  test.each([
    ['nothing yet', undefined],
    ['empty text', ''],
    ['a bare digest, which is that of a config', A],
    ['an image id', 'a'.repeat(64)],
    ['an image id of cri-dockerd', `docker://${A}`],
    ['another repository', `docker.io/library/other@${A}`],
    ['another registry', `registry.test/library/nginx@${A}`],
    ['a tag', 'docker.io/library/nginx:1'],
    ['a broken digest', 'nginx@sha256:abc'],
    ['an algorithm that is no manifest’s', `nginx@md5:${'a'.repeat(32)}`],
    ['nonsense', '://@@'],
  ])('but not by %s', (_how, imageId) => {
    expect(evidence({ imageId })).toEqual({ recorded: [], running: [] });
  });

  test('only where it runs this very reference', () => {
    expect(evidence({ image: 'nginx:2', imageId: `nginx@${A}` })).toEqual({ recorded: [], running: [] });
    expect(evidence({ image: 'docker.io/library/nginx:1', imageId: `nginx@${A}` }).running).toEqual([A]);
  });
});

describe('a Pod that we pinned tells its digest', () => {
  const recorded = { reference: 'docker.io/library/nginx:1', digest: A };

  test('by our annotation, where the image still is that digest', () => {
    expect(evidence({ image: `nginx@${A}`, recorded })).toEqual({ recorded: [A], running: [] });
    expect(evidence({ image: `nginx:1@${A}`, recorded })).toEqual({ recorded: [A], running: [] });
  });

  test.each([
    ['another digest stands in the Pod', { image: `nginx@${B}`, recorded }],
    [
      'another reference was pinned',
      { image: `nginx@${A}`, recorded: { ...recorded, reference: 'nginx:2' } },
    ],
    ['another repository was pinned', { image: `other@${A}`, recorded }],
    ['there is no annotation', { image: `nginx@${A}` }],
    ['the annotation is nonsense', { image: `nginx@${A}`, recorded: { reference: '//', digest: A } }],
  ])('but not where %s', (_why, sibling) => {
    expect(evidence(sibling)).toEqual({ recorded: [], running: [] });
  });
});

describe('of Pods that disagree', () => {
  const [one, two, three] = [A, B, C].map((each) => ({ imageId: `nginx@${each}` }));

  test('those that run count first, then those that wait, then those on their way out', () => {
    const running = { ...one, state: 'running' } as const;
    const waiting = {
      image: `nginx@${B}`,
      recorded: { reference: 'nginx:1', digest: B },
      state: 'waiting',
    } as const;
    const leaving = { ...three, state: 'leaving' } as const;
    expect(evidence(leaving, waiting, running)).toEqual({ recorded: [], running: [A] });
    expect(evidence(leaving, waiting)).toEqual({ recorded: [B], running: [] });
    expect(evidence(leaving)).toEqual({ recorded: [], running: [C] });
  });

  test('those that run and tell nothing leave the word to the others', () => {
    expect(
      evidence({ imageId: 'docker://sha256:12', state: 'running' }, { ...two, state: 'leaving' }),
    ).toEqual({
      recorded: [],
      running: [B],
    });
  });
});

async function decide(
  { recorded = [], running = [] }: { recorded?: string[]; running?: string[] },
  tag: string | undefined,
  manifests: Record<string, ManifestContent> = {},
  onePlatform = true,
): Promise<string | undefined | readonly string[]> {
  const found: Evidence = { recorded: new Set(recorded), running: new Set(running) };
  const adoption = await adoptionFrom(found, tag, {
    manifest: async (each) => manifests[each],
    shareOnePlatform: async () => onePlatform,
  });
  splits = adoption.split;
  if (adoption.adopt !== undefined) return adoption.adopt;
  return adoption.split.length > 1 ? adoption.split : undefined;
}

/** What was called split by the last decision. */
let splits: readonly string[];

describe('a revision without a pin', () => {
  const INDEX = { is: 'index', manifests: [B] } as const;
  const IMAGE = { is: 'image' } as const;

  test('goes on with what we gave its Pods, without asking the registry', async () => {
    expect(await decide({ recorded: [A], running: [A] }, undefined)).toBe(A);
    expect(splits).toEqual([]);
  });

  test('goes on so also where others run beside them, and is called split', async () => {
    expect(await decide({ recorded: [A], running: [B, C] }, undefined)).toBe(A);
    expect(splits).toEqual([A, B, C]);
  });

  test.each([
    ['nothing is known', {}, A, {}],
    ['the digest is what the tag means anyway', { running: [A] }, A, {}],
    ['the digest’s manifest is gone', { running: [A] }, B, {}],
    ['today’s index lists that image', { running: [B] }, A, { [A]: INDEX, [B]: IMAGE }],
  ])('is resolved anew where %s', async (_when, found, tag, manifests) => {
    expect(await decide(found, tag, manifests)).toBeUndefined();
  });

  test.each([
    ['an index', { running: [A] }, B, { [A]: INDEX, [B]: INDEX }, false],
    ['an image, and the tag is no index', { running: [A] }, C, { [A]: IMAGE, [C]: IMAGE }, false],
    ['an image that today’s index does not list', { running: [C] }, A, { [A]: INDEX, [C]: IMAGE }, true],
    ['an image, and the tag is gone', { running: [A] }, undefined, { [A]: IMAGE }, true],
  ] as const)('takes over %s', async (_what, { running }, tag, manifests, onePlatform) => {
    expect(await decide({ running: [...running] }, tag, manifests, onePlatform)).toBe(running[0]);
  });

  test('does not take over one platform’s image where nodes differ', async () => {
    expect(await decide({ running: [C] }, A, { [A]: INDEX, [C]: IMAGE }, false)).toBeUndefined();
    expect(await decide({ running: [C] }, undefined, { [C]: IMAGE }, false)).toBeUndefined();
  });

  test('that runs several digests is resolved anew, and is called split', async () => {
    expect(await decide({ running: [A, B] }, A)).toEqual([A, B]);
    expect(await decide({ recorded: [A, B] }, A)).toEqual([A, B]);
  });
});
