import { describe, expect, test } from '@jest/globals';
import type { AdmissionRequest } from '../../../src/admission/review.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { ownedBy, pod } from '../../support/pods.ts';

function underTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest();
  admission.tags.set('registry.test/shop/web:1.0', digest('a'));
  return admission;
}

describe('what is none of our business is admitted as it is', () => {
  test.each<[string, Partial<AdmissionRequest>]>([
    ['another resource', { resource: 'configmaps' }],
    ['a resource of the same name in another group', { resource: 'example.com/pods' }],
    ['a Deployment, whose template Git owns', { resource: 'apps/deployments' }],
    ['a DELETE', { operation: 'DELETE' }],
    ['a CONNECT', { operation: 'CONNECT' }],
    ['an eviction', { subResource: 'eviction' }],
    ['a binding', { subResource: 'binding' }],
    ['a status', { operation: 'UPDATE', subResource: 'status' }],
    ['a resize', { operation: 'UPDATE', subResource: 'resize' }],
    ['a CREATE of ephemeral containers', { subResource: 'ephemeralcontainers' }],
    ['a resource without an object', { resource: 'nodes', object: undefined }],
  ])('%s', async (_what, fields) => {
    const admission = underTest();
    const { decision } = await admission.admit(pod(), fields);
    expect(decision).toMatchObject({ outcome: 'ignored', patch: [], warnings: [], images: [] });
    expect(decision.denial).toBeUndefined();
    expect(admission.tags.asked).toEqual([]);
  });
});

describe('a mirror Pod is left alone', () => {
  test.each([
    ['by its annotation', { annotations: { 'kubernetes.io/config.mirror': 'hash' }, ownerReferences: null }],
    ['by its annotation, whatever it says', { annotations: { 'kubernetes.io/config.mirror': '' } }],
  ])('%s', async (_how, metadata) => {
    const admission = underTest();
    const { decision } = await admission.admit(pod({ metadata }));
    expect(decision).toMatchObject({ outcome: 'mirror_pod', patch: [], warnings: [], images: [] });
    expect(admission.tags.asked).toEqual([]);
  });

  test.each([
    ['a Node that somebody wrote there', [ownedBy('Node', 'node-1', 'v1', 'node-a')]],
    ['a Node of another group', [ownedBy('Node', 'n', 'example.com/v1')]],
    ['a Node that does not control it', [{ ...ownedBy('Node', 'n', 'v1'), controller: false }]],
  ])('but not for %s', async (_what, ownerReferences) => {
    const { decision } = await underTest().admit(pod({ metadata: { ownerReferences } }));
    expect(decision.outcome).not.toBe('mirror_pod');
  });
});

describe('a Pod with odd metadata is pinned all the same', () => {
  test.each([
    ['none', undefined],
    ['null', null],
    ['null fields', { annotations: null, labels: null, ownerReferences: null }],
    ['fields of wrong types', { annotations: [], labels: 'x', ownerReferences: {} }],
    ['owners of wrong types', { ownerReferences: [null, 'x', { controller: true }] }],
  ])('%s', async (_what, metadata) => {
    const object = { ...pod(), metadata };
    const { decision, images, recorded } = await underTest().admit(object);
    expect(decision.outcome).toBe('pinned');
    expect(images).toEqual({ web: `registry.test/shop/web@${digest('a')}` });
    expect(recorded).toEqual({ web: { reference: 'registry.test/shop/web:1.0', digest: digest('a') } });
  });
});
