import { isObject, type JsonObject } from '../json/json-object.ts';

/** What an admission request says, as far as it concerns us (admission.k8s.io/v1). */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: (typeof OPERATIONS)[number];
  /** Group and resource as in a rule: `pods` for the core group. */
  readonly resource: string;
  /** `ephemeralcontainers`, or empty for the object itself. */
  readonly subResource: string;
  readonly namespace: string;
  /** Empty while the API server has not generated it yet. */
  readonly name: string;
  readonly dryRun: boolean;
  readonly object: JsonObject | undefined;
  readonly oldObject: JsonObject | undefined;
}

/** A body that is no AdmissionReview v1: answered with status 400, since it names no request to answer. */
export class InvalidReviewError extends Error {
  override readonly name = 'InvalidReviewError';
  readonly code = 'invalid_review';
}

const API_VERSION = 'admission.k8s.io/v1';
/** Longer than any name or uid of Kubernetes: whoever sends more is no API server, and it is remembered and logged. */
const MAX_NAME_LENGTH = 253;
const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const;

/**
 * Reads an AdmissionReview v1 strictly: every field that we rely on is there and of its type.
 * @throws {InvalidReviewError} which says what is wrong.
 */
export function readReview(body: unknown): AdmissionRequest {
  if (!isObject(body)) throw new InvalidReviewError('the body is not a JSON object');
  if (body['kind'] !== 'AdmissionReview') throw new InvalidReviewError('kind is not AdmissionReview');
  if (body['apiVersion'] !== API_VERSION) throw new InvalidReviewError(`apiVersion is not ${API_VERSION}`);
  const request = body['request'];
  if (!isObject(request)) throw new InvalidReviewError('request is missing');
  const resource = request['resource'];
  if (!isObject(resource)) throw new InvalidReviewError('request.resource is missing');
  const operation = OPERATIONS.find((known) => known === request['operation']);
  if (operation === undefined) throw new InvalidReviewError('request.operation is not an operation');

  const uid = text(request, 'uid');
  if (uid === '') throw new InvalidReviewError('request.uid is empty');
  const namespace = text(request, 'namespace', '');
  for (const [name, value] of Object.entries({ uid, namespace })) {
    if (value.length > MAX_NAME_LENGTH) throw new InvalidReviewError(`request.${name} is too long`);
  }
  const group = text(resource, 'group', '');
  return {
    uid,
    operation,
    resource: (group === '' ? '' : `${group}/`) + text(resource, 'resource'),
    subResource: text(request, 'subResource', ''),
    namespace,
    name: text(request, 'name', ''),
    dryRun: flag(request, 'dryRun'),
    object: objectOrNull(request, 'object'),
    oldObject: objectOrNull(request, 'oldObject'),
  };
}

function text(fields: JsonObject, name: string, whenMissing?: string): string {
  const value = fields[name] ?? whenMissing;
  if (typeof value !== 'string') throw new InvalidReviewError(`request.${name} is not a string`);
  return value;
}

function flag(fields: JsonObject, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value !== 'boolean') throw new InvalidReviewError(`request.${name} is not a boolean`);
  return value;
}

function objectOrNull(fields: JsonObject, name: string): JsonObject | undefined {
  const value = fields[name] ?? undefined;
  if (value !== undefined && !isObject(value))
    throw new InvalidReviewError(`request.${name} is not an object`);
  return value;
}
