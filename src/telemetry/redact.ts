import { isObject, type JsonObject } from '../json/json-object.ts';

/** Names of fields that could hold a secret; whatever is logged under them is masked. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'authorization',
  'password',
  'token',
  'auth',
  'secret',
  'cookie',
  'identitytoken',
]);
/** What is nested deeper than this is not logged at all. */
const MAX_DEPTH = 10;
/** Query parameters whose values may be seen: they choose, and prove nothing. Every other one is masked. */
const HARMLESS = new Set([
  'allowWatchBookmarks',
  'dryRun',
  'fieldSelector',
  'labelSelector',
  'last',
  'limit',
  'n',
  'resourceVersion',
  'scope',
  'service',
  'timeout',
  'timeoutSeconds',
  'watch',
]);
const MASK = '[masked]';
/** `name=value` behind a question mark or an ampersand; a value ends where a URL in JSON text does. */
const QUERY = /([?&])([A-Za-z0-9_.~%-]{1,64})=[^\s"'&\\<>]+/g;
/** A URL from its authority on. */
const URL_REST = /:\/\/[^\s"'\\]+/g;
/** Where a user and a password may stand without a scheme, as people write them into an image. */
const WORD = /[^\s"'\\]+/g;
const DIGEST = /^@sha(?:256|512):/;
/** What an Authorization header holds; no word of a sentence is as long as {@link LEAST_LENGTH}. */
const AUTHORIZATION = /(Bearer|Basic) ([A-Za-z0-9._~+/=-]+)/gi;
/** JSON Web Tokens begin with an object in base64url. */
const JSON_WEB_TOKEN = /eyJ[A-Za-z0-9_.-]+/g;
const LEAST_LENGTH = 16;

/**
 * The text without what looks like a secret, wherever it came from: users and passwords in URLs, values of query parameters
 * (a redirect to a signed URL of a store is one), Authorization headers, JSON Web Tokens. JSON stays JSON.
 */
export function masked(text: string): string {
  // Every line of the log comes through here, and nearly none has these.
  const named = text.includes('@')
    ? text.replace(URL_REST, withoutUserInfo).replace(WORD, withoutUser)
    : text;
  const queried = named.includes('=') ? named.replace(QUERY, withoutValue) : named;
  return queried
    .replace(AUTHORIZATION, (whole, scheme: string, token: string) =>
      token.length < LEAST_LENGTH ? whole : `${scheme} ${MASK}`,
    )
    .replace(JSON_WEB_TOKEN, (token) => (token.length < LEAST_LENGTH ? token : MASK));
}

/** The fields as they are, where none of them is named as a secret, which is nearly always: then nothing is copied. */
export function maskedFields(fields: JsonObject): Record<string, unknown> {
  return maskWithin(fields, 0);
}

function maskWithin(fields: JsonObject, depth: number): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    const shown = SECRET_FIELDS.has(name) ? MASK : maskedValue(value, depth + 1);
    if (shown === value) continue;
    copy ??= { ...fields };
    copy[name] = shown;
  }
  return copy ?? fields;
}

function maskedValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return '[too deep]';
  if (isObject(value)) return maskWithin(value, depth);
  if (!Array.isArray(value)) return value;
  let copy: unknown[] | undefined;
  for (const [index, item] of value.entries()) {
    const shown = maskedValue(item, depth + 1);
    if (shown !== item) (copy ??= [...(value as unknown[])])[index] = shown;
  }
  return copy ?? value;
}

function withoutValue(whole: string, mark: string, name: string): string {
  return HARMLESS.has(name) ? whole : `${mark}${name}=${MASK}`;
}

/** Whoever is named before its last @: people write passwords with an @ or a slash as they are. */
function withoutUserInfo(rest: string): string {
  const end = lastAt(rest);
  return end > 0 ? `://${MASK}${rest.slice(end)}` : rest;
}

/** The last @ that begins no digest. */
function lastAt(word: string): number {
  const last = word.lastIndexOf('@');
  return last > 0 && DIGEST.test(word.slice(last)) ? word.lastIndexOf('@', last - 1) : last;
}

/** `user:password@` masked; what stands before a digest is an image with its tag. */
function withoutUser(word: string): string {
  const end = lastAt(word);
  const colon = word.indexOf(':');
  // A URL, which is masked already.
  if (word.startsWith('//', colon + 1)) return word;
  return colon > 0 && colon < end ? MASK + word.slice(end) : word;
}
