import type { JsonObject } from '../json/json-object.ts';
import { UNPRINTABLE } from '../telemetry/printable-json.ts';
import { masked } from '../telemetry/redact.ts';
import type { Decision, ImageDecision, Mode } from './outcome.ts';

/** The API server's limits on warnings (apiserver pkg/endpoints/filters/warning.go). */
const MAX_WARNING_CHARACTERS = 256;
const MAX_ALL_WARNINGS_CHARACTERS = 4096;
/** The API server keeps audit annotations in its log; ours stay small, however many containers a Pod has. */
const MAX_AUDIT_ANNOTATION_CHARACTERS = 8192;
const PREFIX = 'samebytes: ';

/** JSON text; where all of it is ASCII, it has as many bytes as characters. */
export interface ResponseText {
  readonly json: string;
  readonly isAscii: boolean;
}

/** What follows the uid, for decisions that are repeated: made once, and kept for as long as the decision is. */
const repeated = new WeakMap<Decision, ResponseText>();
const BEFORE_UID = '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":';
const PRINTABLE_ASCII = /^[ -~]*$/;

/** {@link responseOf} as it is sent. */
export function responseText(uid: string, decision: Decision, mode: Mode): ResponseText {
  if (decision.isRepeated !== true) return textOf(responseOf(uid, decision, mode));
  let afterUid = repeated.get(decision);
  if (afterUid === undefined) {
    const { json, isAscii } = textOf(responseOf('', decision, mode));
    afterUid = { json: json.slice(`${BEFORE_UID}""`.length), isAscii };
    repeated.set(decision, afterUid);
  }
  const quoted = JSON.stringify(uid);
  return {
    json: BEFORE_UID + quoted + afterUid.json,
    isAscii: afterUid.isAscii && PRINTABLE_ASCII.test(quoted),
  };
}

function textOf(value: JsonObject): ResponseText {
  const json = JSON.stringify(value);
  return { json, isAscii: PRINTABLE_ASCII.test(json) };
}

/** The AdmissionReview v1 that carries a decision back to the API server. */
export function responseOf(uid: string, decision: Decision, mode: Mode): JsonObject {
  const { denial, patch } = decision;
  const warnings = limitWarnings(decision.warnings, mode);
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: denial === undefined,
      // Never `retryAfterSeconds`: client-go would retry in place and hold a controller's worker for it.
      ...(denial === undefined ? {} : { status: statusOf(denial) }),
      ...(patch.length === 0
        ? {}
        : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
      ...(warnings.length === 0 ? {} : { warnings }),
      auditAnnotations: auditAnnotationsOf(decision),
    },
  };
}

/** The reasons of a Kubernetes Status (apimachinery meta/v1) that go with the codes. */
const REASONS = {
  403: 'Forbidden',
  503: 'ServiceUnavailable',
} as const;

function statusOf({ code, message }: NonNullable<Decision['denial']>): JsonObject {
  return { status: 'Failure', code, reason: REASONS[code], message: printable(message) };
}

/** Warnings as the API server takes them: no control characters, each and all of them limited in length. */
export function limitWarnings(warnings: readonly string[], mode: Mode): string[] {
  if (warnings.length === 0) return [];
  const prefix = mode === 'audit' ? 'samebytes (audit): ' : PREFIX;
  const limited: string[] = [];
  let left = MAX_ALL_WARNINGS_CHARACTERS;
  for (const [index, warning] of warnings.entries()) {
    const text = printable(shorten(prefix + warning, MAX_WARNING_CHARACTERS));
    const more = `${prefix}and ${warnings.length - index} more warnings`;
    const isLast = index === warnings.length - 1;
    if (characters(text) + (isLast ? 0 : characters(more)) > left) {
      limited.push(more);
      break;
    }
    left -= characters(text);
    limited.push(text);
  }
  return limited;
}

/**
 * Keys without a slash: the API server puts the webhook's name and a slash in front of them. Its audit log may be kept without
 * the Pods themselves, so what looks like a secret in an image stays out of it.
 */
function auditAnnotationsOf({ outcome, images }: Decision): Record<string, string> {
  const named = images.filter(({ container }) => container !== '');
  if (named.length === 0) return { outcome };
  const entries = named.map(
    ({ container, reference, result }) => `${container}: ${masked(reference)} ${arrow(result)}`,
  );
  return { outcome, images: shorten(entries.join('; '), MAX_AUDIT_ANNOTATION_CHARACTERS) };
}

function arrow(result: ImageDecision['result']): string {
  if (result.is === 'pinned') return `-> ${result.digest} (${result.source})`;
  return result.is === 'left' ? `left alone (${result.reason})` : `failed (${result.code})`;
}

function printable(text: string): string {
  return text.replace(UNPRINTABLE, ' ').toWellFormed();
}

/** Cuts after so many code points, which is what the API server counts in. */
function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  // Without a list of all characters: that took longer than the whole decision about a Pod of a hundred images.
  let end = 0;
  let cut = 0;
  for (let count = 1; count <= limit && end < text.length; count += 1) {
    cut = end;
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return end < text.length ? `${text.slice(0, cut)}…` : text;
}

function characters(text: string): number {
  return Array.from(text).length;
}
