import type { AdmissionRequest } from '../../src/admission/review.ts';

/** A container of a test's Pod. */
export interface TestContainer {
  readonly name: string;
  readonly image: string;
  readonly imagePullPolicy?: string;
}

/** An owner reference with `controller: true`. */
export function ownedBy(kind: string, uid: string, apiVersion = 'apps/v1', name = 'web'): object {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** A Pod of a ReplicaSet with one container, unless `metadata` or `spec` say otherwise. */
export function pod({ metadata = {}, spec = {} }: { metadata?: object; spec?: object } = {}): Record<
  string,
  unknown
> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', ownerReferences: [ownedBy('ReplicaSet', 'rs-1')], ...metadata },
    spec: { containers: [{ name: 'web', image: 'registry.test/shop/web:1.0' }], ...spec },
  };
}

/** A bare Pod with these containers. */
export function barePod(...containers: TestContainer[]): Record<string, unknown> {
  return pod({ metadata: { ownerReferences: undefined, name: 'bare' }, spec: { containers } });
}

/** A decoded admission request that creates `object`, unless `fields` say otherwise. */
export function admissionRequest(object: object, fields: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    uid: 'request-1',
    operation: 'CREATE',
    resource: 'pods',
    subResource: '',
    namespace: 'shop',
    name: '',
    dryRun: false,
    object: object as Record<string, unknown>,
    oldObject: undefined,
    ...fields,
  };
}

/** An AdmissionReview as the API server sends it. */
export function admissionReview(object: object | null, request: object = {}): Record<string, unknown> {
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  const resource = { group: '', version: 'v1', resource: 'pods' };
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: 'request-1',
      kind,
      resource,
      requestKind: kind,
      requestResource: resource,
      namespace: 'shop',
      operation: 'CREATE',
      userInfo: { username: 'test' },
      object,
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      ...request,
    },
  };
}
