import { expect, test } from '@jest/globals';
import { digestOf, isDigest, isManifestDigest } from '../../../src/image/digest.ts';

test.each([
  [`sha256:${'a'.repeat(64)}`, true, true],
  [`sha384:${'a'.repeat(96)}`, true, false],
  [`sha512:${'0'.repeat(128)}`, true, true],
  [`sha256:${'a'.repeat(63)}`, false, false],
  [`sha256:${'a'.repeat(65)}`, false, false],
  [`sha256:${'A'.repeat(64)}`, false, false],
  [`sha512:${'a'.repeat(64)}`, false, false],
  [`md5:${'a'.repeat(32)}`, false, false],
  [`__proto__:${'a'.repeat(64)}`, false, false],
  ['constructor:a', false, false],
  ['sha256:', false, false],
  [':', false, false],
  ['', false, false],
  ['a'.repeat(64), false, false],
  [`sha256:${'a'.repeat(64)}\n`, false, false],
])('%.80j is a digest: %p; one that a registry may answer with: %p', (text, digest, manifest) => {
  expect(isDigest(text)).toBe(digest);
  expect(isManifestDigest(text)).toBe(manifest);
});

test('the digest of bytes is the hash that sha256sum prints', () => {
  expect(digestOf(Buffer.from(''))).toBe(
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  );
  expect(isManifestDigest(digestOf(Buffer.from('x'), 'sha512'))).toBe(true);
});
