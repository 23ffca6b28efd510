import { inspect } from 'node:util';

/** What stands in the place of a secret wherever somebody would print it. */
const REDACTED = '[redacted]';

export interface CredentialOptions {
  /** Stands for user name and secret in cache keys: a keyed hash, so that it tells nothing about them. */
  readonly fingerprint: string;
  /** What a person calls it, for messages and logs: `Secret regcred`. */
  readonly source: string;
  readonly username: string;
  readonly secret: string;
  /** `password`: sent as Basic. `identity_token`: goes to token servers only, by POST, never to a registry. */
  readonly kind: 'password' | 'identity_token';
}

/**
 * One user name with its secret. The secret is kept from printing by construction: JSON, string conversion and
 * `util.inspect` show none of it, so no log, message or error can.
 */
export class Credential {
  readonly fingerprint: string;
  readonly source: string;
  readonly kind: CredentialOptions['kind'];
  readonly #username: string;
  readonly #secret: string;

  constructor({ fingerprint, source, username, secret, kind }: CredentialOptions) {
    this.fingerprint = fingerprint;
    this.source = source;
    this.kind = kind;
    this.#username = username;
    this.#secret = secret;
  }

  /** User name and secret, for the code that sends them and for nobody else. */
  reveal(): { readonly username: string; readonly secret: string } {
    return { username: this.#username, secret: this.#secret };
  }

  toJSON(): string {
    return this.toString();
  }

  toString(): string {
    return `${this.source} ${REDACTED}`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/**
 * Who asks a registry: the credentials to try, in this order, and nobody in particular (anonymous) when all of them
 * were refused. Whatever depends on who asked (answers, tokens) is kept per fingerprint, so that nobody gets an answer
 * that was given to somebody else.
 */
export interface Identity {
  /** Stands for all the credentials and their order in cache keys; never contains a secret. */
  readonly fingerprint: string;
  readonly credentials: readonly Credential[];
}

/** Asking without any credentials. */
export const ANONYMOUS: Identity = { fingerprint: 'anonymous', credentials: [] };

/** What stands for a credential, or for none, in the keys of caches that depend on who asks. */
export function whoIs(credential: Credential | undefined): string {
  return credential?.fingerprint ?? ANONYMOUS.fingerprint;
}

/** What a person calls a credential, or the lack of one. */
export function sourceOf(credential: Credential | undefined): string {
  return credential?.source ?? 'anonymous';
}

/** The value of an Authorization header with a user name and a secret (RFC 7617). */
export function basicHeader(credential: Credential): string {
  const { username, secret } = credential.reveal();
  return `Basic ${Buffer.from(`${username}:${secret}`, 'utf8').toString('base64')}`;
}
