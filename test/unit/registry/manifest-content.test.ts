import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { contentFromBody } from '../../../src/registry/manifest.ts';
import { RegistryError } from '../../../src/registry/errors.ts';

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker.distribution.manifest';

function content(body: object | string, mediaType: string, digest?: string): unknown {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const own = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const answer = { status: 200, headers: { 'content-type': mediaType }, body: bytes };
  return contentFromBody(answer, digest ?? own, 'registry.test');
}

describe('a manifest is', () => {
  test.each([`${OCI}.index.v1+json`, `${DOCKER}.list.v2+json`])('an index where its type is %s', (type) => {
    const manifests = [{ digest: 'sha256:1' }, { digest: 7 }, 'nonsense', { digest: 'sha256:2' }];
    expect(content({ schemaVersion: 2, manifests }, type)).toEqual({
      is: 'index',
      manifests: ['sha256:1', 'sha256:2'],
      mediaType: type,
      platforms: [],
    });
  });

  test('an index of nothing where its list is missing', () => {
    expect(content({ schemaVersion: 2 }, `${OCI}.index.v1+json`)).toMatchObject({
      is: 'index',
      manifests: [],
    });
  });

  test.each([`${OCI}.manifest.v1+json`, `${DOCKER}.v2+json`])('an image where its type is %s', (type) => {
    expect(content({ schemaVersion: 2, layers: [] }, type)).toEqual({
      is: 'image',
      mediaType: type,
      platforms: [],
    });
  });
});

function platformsOf(...platforms: unknown[]): unknown {
  const manifests = platforms.map((platform, index) => ({ digest: `sha256:${index}`, platform }));
  const found = content({ schemaVersion: 2, manifests }, `${OCI}.index.v1+json`);
  return (found as { platforms: unknown }).platforms;
}

describe('the platforms of an index', () => {
  const amd64 = { os: 'linux', architecture: 'amd64' };

  test('are system, processor and its variant, in the order of the index', () => {
    const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };
    expect(platformsOf(amd64, arm64)).toEqual(['linux/amd64', 'linux/arm64/v8']);
  });

  test('are named once each, though Windows has several versions of one', () => {
    const windows = { os: 'windows', architecture: 'amd64' };
    const versions = ['10.0.17763.1', '10.0.20348.1'].map((version) => ({
      ...windows,
      'os.version': version,
    }));
    expect(platformsOf(...versions)).toEqual(['windows/amd64']);
  });

  test.each([
    ['an attestation', { os: 'unknown', architecture: 'unknown' }],
    ['an entry without a platform', undefined],
    ['a platform that is a text', 'linux/amd64'],
    ['a platform without a processor', { os: 'linux' }],
    ['what would write on a terminal', { os: 'linux\u001b[2J', architecture: 'amd64' }],
    ['a variant that is none', { ...amd64, variant: 7 }],
    ['a text without end', { os: 'l'.repeat(1_000), architecture: 'amd64' }],
  ])('do not include %s', (_what, platform) => {
    expect(platformsOf(platform, amd64)).toEqual(['linux/amd64']);
  });

  test('are limited in number', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => ({ os: 'linux', architecture: `a${index}` }));
    expect(platformsOf(...many)).toHaveLength(100);
  });
});

test.each([
  ['of another digest', { schemaVersion: 2 }, `${OCI}.manifest.v1+json`, `sha256:${'0'.repeat(64)}`],
  ['that is a page', '<html>', 'text/html', undefined],
  ['that is no manifest', {}, 'application/json', undefined],
])('an answer %s is refused', (_what, body, type, digest) => {
  expect(() => content(body, type, digest)).toThrow(RegistryError);
});

test.each(['sha256', 'sha384', 'sha512'])('a digest by %s is checked by %s', (algorithm) => {
  const text = '{"schemaVersion":2}';
  const digest = `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`;
  expect(content(text, `${OCI}.manifest.v1+json`, digest)).toMatchObject({ is: 'image' });
});
