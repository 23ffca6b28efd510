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
    });
  });

  test('an index of nothing where its list is missing', () => {
    expect(content({ schemaVersion: 2 }, `${OCI}.index.v1+json`)).toEqual({ is: 'index', manifests: [] });
  });

  test.each([`${OCI}.manifest.v1+json`, `${DOCKER}.v2+json`])('an image where its type is %s', (type) => {
    expect(content({ schemaVersion: 2, layers: [] }, type)).toEqual({ is: 'image' });
  });
});

test.each([
  ['of another digest', { schemaVersion: 2 }, `${OCI}.manifest.v1+json`, `sha256:${'0'.repeat(64)}`],
  ['that is a page', '<html>', 'text/html', undefined],
  ['that is no manifest', {}, 'application/json', undefined],
])('an answer %s is refused', (_what, body, type, digest) => {
  expect(() => content(body, type, digest)).toThrow(RegistryError);
});

test('a digest by sha512 is checked by sha512', () => {
  const text = '{"schemaVersion":2}';
  const digest = `sha512:${createHash('sha512').update(text).digest('hex')}`;
  expect(content(text, `${OCI}.manifest.v1+json`, digest)).toEqual({ is: 'image' });
});
