/**
 * Who asks a registry. Whatever depends on who asked (answers, tokens) is kept per fingerprint, so that nobody
 * gets an answer that was given to somebody else.
 */
export interface Identity {
  /** Stands for the identity in cache keys; never contains a secret. */
  readonly fingerprint: string;
}

/** Asking without any credentials. */
export const ANONYMOUS: Identity = { fingerprint: 'anonymous' };
