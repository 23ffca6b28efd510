import { isObject, parseObject } from '../json/json-object.ts';
import { errorForStatus, RegistryError } from './errors.ts';
import { retryAfterMs } from './retry-after.ts';
import type { TransportAnswer } from './transport.ts';

/** A bearer token, and how long it may be used from its receipt on. */
export interface Token {
  readonly text: string;
  readonly lifeMs: number;
}

/** The token server's answer held no token: a page, perhaps, for a credential that it does not know. */
export class UnusableTokenError extends RegistryError {}

const MAX_TOKEN_LENGTH = 16 * 1024;
const MIN_LIFE_SECONDS = 60;
const MAX_LIFE_SECONDS = 3600;
const MAX_SKEW_SECONDS = 30;
/** What may stand in an Authorization header: anything else could not be a token, or would split the header. */
const HEADER_SAFE = /^[\x21-\x7e]+$/;

/**
 * The token in a token server's answer. Its life is counted from receipt, less a skew: the server's clock may be wrong,
 * so `issued_at` is not looked at.
 * @throws {RegistryError} in the class of what went wrong; any refusal to give a token is `denied`.
 */
export function readToken(answer: TransportAnswer, registry: string): Token {
  const details = { registry, status: answer.status };
  // A token server that knows nothing of the repository, or of the credential, must not read as a missing tag.
  if (answer.status === 400 || answer.status === 404) {
    throw new RegistryError('denied', `the token request was answered with ${answer.status}`, details);
  }
  if (answer.status !== 200) {
    throw errorForStatus(answer.status, 'the token request', {
      registry,
      retryAfterMs: retryAfterMs(answer.headers['retry-after'], Date.now()),
    });
  }
  const fields = parseObject(answer.body.toString('utf8')) ?? {};
  // Some servers fill the one, some the other, some both with the same.
  const text = fields['token'] || fields['access_token'];
  if (typeof text !== 'string' || text.length > MAX_TOKEN_LENGTH || !HEADER_SAFE.test(text)) {
    throw new UnusableTokenError('invalid_answer', 'the token server gave no usable token', details);
  }
  const expiresIn = Number(fields['expires_in'] ?? 0);
  const lifeSeconds = Math.min(
    Math.max(Number.isFinite(expiresIn) ? expiresIn : 0, MIN_LIFE_SECONDS),
    MAX_LIFE_SECONDS,
  );
  return { text, lifeMs: (lifeSeconds - Math.min(MAX_SKEW_SECONDS, lifeSeconds * 0.1)) * 1000 };
}

/**
 * Whether a token says of itself that it may pull from the repository (distribution's token specification, claim
 * `access`). Not verified: it decides only whether a 404 with it is the last word. false where the token is opaque.
 */
export function grantsPull(token: string, repository: string): boolean {
  const [, payload = ''] = token.split('.');
  const access = parseObject(Buffer.from(payload, 'base64url').toString('utf8'))?.['access'];
  return (
    Array.isArray(access) &&
    access.some((grant) => {
      if (!isObject(grant) || grant['name'] !== repository) return false;
      const actions = grant['actions'];
      return Array.isArray(actions) && actions.includes('pull');
    })
  );
}
