import { describe, expect, test } from '@jest/globals';
import { InvalidReviewError, readReview } from '../../../src/admission/review.ts';
import { admissionReview, pod } from '../../support/pods.ts';

const WRONG_TYPES: readonly [string, unknown][] = [
  ['a number', 7],
  ['an array', []],
  ['a boolean', true],
  ['an object', {}],
];

function withRequest(changes: object): object {
  return admissionReview(pod(), changes);
}

describe('a review', () => {
  test('is read into the fields that admission needs', () => {
    const object = pod();
    expect(readReview(admissionReview(object, { name: 'web-1', dryRun: true }))).toStrictEqual({
      uid: 'request-1',
      operation: 'CREATE',
      resource: 'pods',
      subResource: '',
      namespace: 'shop',
      name: 'web-1',
      dryRun: true,
      object,
      oldObject: undefined,
    });
  });

  test('of a resource outside the core group names the group too', () => {
    const resource = { group: 'apps', version: 'v1', resource: 'deployments' };
    expect(readReview(withRequest({ resource })).resource).toBe('apps/deployments');
  });

  test('names the subresource', () => {
    expect(readReview(withRequest({ subResource: 'ephemeralcontainers' })).subResource).toBe(
      'ephemeralcontainers',
    );
  });

  test.each(['CREATE', 'UPDATE', 'DELETE', 'CONNECT'])('may be about %s', (operation) => {
    expect(readReview(withRequest({ operation })).operation).toBe(operation);
  });

  test('of a DELETE has an old object and no object', () => {
    const request = readReview(admissionReview(null, { operation: 'DELETE', oldObject: { a: 1 } }));
    expect(request.object).toBeUndefined();
    expect(request.oldObject).toEqual({ a: 1 });
  });

  test.each(['uid', 'namespace'])('has a %s as long as names are: others remember it', (field) => {
    expect(readReview(withRequest({ [field]: 'x'.repeat(253) }))).toMatchObject({ [field]: 'x'.repeat(253) });
    expect(() => readReview(withRequest({ [field]: 'x'.repeat(254) }))).toThrow(
      new InvalidReviewError(`request.${field} is too long`),
    );
  });

  test.each(['subResource', 'namespace', 'name', 'dryRun', 'object', 'oldObject'])(
    'may leave out %s, or say null',
    (field) => {
      expect(readReview(withRequest({ [field]: null }))).toEqual(
        readReview(withRequest({ [field]: undefined })),
      );
    },
  );

  test('may have fields that we do not know', () => {
    const review = { ...withRequest({ surprise: [1] }), response: { allowed: false }, extra: 1 };
    expect(readReview(review)).toEqual(readReview(withRequest({})));
  });
});

describe('a body is refused', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'AdmissionReview'],
    ['a number', 1],
    ['an array', [admissionReview(pod())]],
    ['an empty object', {}],
    ['another kind', { ...admissionReview(pod()), kind: 'Pod' }],
    ['no kind', { ...admissionReview(pod()), kind: undefined }],
    ['the version v1beta1', { ...admissionReview(pod()), apiVersion: 'admission.k8s.io/v1beta1' }],
    ['no version', { ...admissionReview(pod()), apiVersion: undefined }],
    ['no request', { ...admissionReview(pod()), request: undefined }],
    ['a null request', { ...admissionReview(pod()), request: null }],
    ['a list of requests', { ...admissionReview(pod()), request: [] }],
  ])('where it is or has %s', (_what, body) => {
    expect(() => readReview(body)).toThrow(InvalidReviewError);
  });

  test.each([
    ['uid', undefined],
    ['uid', null],
    ['uid', ''],
    ['operation', undefined],
    ['operation', 'PATCH'],
    ['operation', 'create'],
    ['operation', ['CREATE']],
    ['resource', undefined],
    ['resource', null],
    ['resource', 'pods'],
    ['resource', []],
    ['resource', {}],
    ['resource', { group: 1, resource: 'pods' }],
    ['resource', { group: '', resource: 1 }],
  ])('where its %s is %j', (field, value) => {
    expect(() => readReview(withRequest({ [field]: value }))).toThrow(InvalidReviewError);
  });

  test.each(
    ['uid', 'subResource', 'namespace', 'name'].flatMap((f) => WRONG_TYPES.map((t) => [f, ...t] as const)),
  )('where its %s is %s', (field, _type, value) => {
    expect(() => readReview(withRequest({ [field]: value }))).toThrow(
      new InvalidReviewError(`request.${field} is not a string`),
    );
  });

  test.each([
    ['dryRun', 'true'],
    ['dryRun', 1],
    ['object', 'Pod'],
    ['object', [pod()]],
    ['oldObject', 1],
    ['oldObject', []],
  ])('where its %s is %j', (field, value) => {
    expect(() => readReview(withRequest({ [field]: value }))).toThrow(`request.${field} is not`);
  });

  test('with an error that has a code', () => {
    expect(() => readReview(null)).toThrow(expect.objectContaining({ code: 'invalid_review' }));
  });
});

describe('names of JavaScript', () => {
  test('as keys change nothing', () => {
    const text = JSON.stringify(admissionReview(pod())).replace(
      '"uid":"request-1"',
      '"uid":"request-1","__proto__":{"dryRun":true,"subResource":"status"},"constructor":{"prototype":{}}',
    );
    const request = readReview(JSON.parse(text));
    expect(request).toEqual(readReview(admissionReview(pod())));
    expect(({} as Record<string, unknown>)['dryRun']).toBeUndefined();
  });

  test('cannot stand for a missing field', () => {
    const text = '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","__proto__":{"request":{}}}';
    expect(() => readReview(JSON.parse(text))).toThrow('request is missing');
  });

  test('are no operations', () => {
    expect(() => readReview(withRequest({ operation: 'constructor' }))).toThrow(InvalidReviewError);
  });
});
