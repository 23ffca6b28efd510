import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { isManifestDigest } from '../../../src/image/digest.ts';
import { IMAGE_PINS, pinObject } from '../../../src/kubernetes/image-pin-object.ts';
import { MAX_IMAGES_PER_PIN, MAX_REFERENCE_LENGTH } from '../../../src/pins/image-pin.ts';
import { digest } from '../../support/digests.ts';

const FILE = new URL('../../../manifests/base/01-image-pin.yaml', import.meta.url);
const { spec } = parse(readFileSync(FILE, 'utf8'));
const [version] = spec.versions;
const fields = version.schema.openAPIV3Schema.properties.spec.properties;
const REVISION = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'web',
  uid: 'u',
  namespace: 'shop',
  hash: 'h',
};
const IMAGE = {
  reference: 'docker.io/library/nginx:1',
  digest: digest('a'),
  resolvedAt: '2026-01-01T00:00:00Z',
  source: 'resolved',
} as const;

test('the definition that is installed is of the resource that the code asks for', () => {
  expect({ group: spec.group, version: version.name, plural: spec.names.plural }).toEqual(IMAGE_PINS);
  expect(pinObject(REVISION, [IMAGE])).toMatchObject({ kind: spec.names.kind });
});

test('it has every field that the code writes, and no other', () => {
  const written = pinObject(REVISION, [IMAGE])['spec'] as Record<string, object>;
  expect(Object.keys(fields).toSorted()).toEqual(Object.keys(written).toSorted());
  expect(Object.keys(fields.revision.properties).toSorted()).toEqual(
    Object.keys(written['revision'] ?? {}).toSorted(),
  );
  expect(Object.keys(fields.images.items.properties).toSorted()).toEqual(Object.keys(IMAGE).toSorted());
});

test('its limits are those of the code', () => {
  expect(fields.images.maxItems).toBe(MAX_IMAGES_PER_PIN);
  expect(fields.images.items.properties.reference.maxLength).toBe(MAX_REFERENCE_LENGTH);
});

test.each([
  digest('a'),
  `sha512:${'a'.repeat(128)}`,
  `sha384:${'a'.repeat(96)}`,
  digest('A'),
  'sha256:abc',
  `sha256:${'a'.repeat(128)}`,
])('it takes the digest %s where the code does', (text) => {
  expect(new RegExp(fields.images.items.properties.digest.pattern).test(text)).toBe(isManifestDigest(text));
});
