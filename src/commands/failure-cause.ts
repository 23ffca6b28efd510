import type { RegistryError } from '../registry/errors.ts';

/** What lay behind a registry's failure, and the kinds of it that there is special advice for. */
export interface Cause {
  readonly text: string;
  readonly kind: 'no_tls' | 'unknown_host' | 'bad_certificate' | 'other';
}

const CUT = 'the connection was cut';
const SLOW = 'it took too long';
const NO_WAY = 'there is no way to it';
const UNKNOWN_AUTHORITY = 'its authority is unknown';

/**
 * Codes of Node.js, OpenSSL and undici in words. Codes alone are shown, never messages: those of HTTP parsers and TLS
 * quote what the other side sent.
 */
const CODES: Readonly<Record<string, { readonly says: string; readonly kind?: Cause['kind'] }>> = {
  ECONNREFUSED: { says: 'connection refused' },
  ECONNRESET: { says: CUT },
  EPIPE: { says: CUT },
  UND_ERR_SOCKET: { says: CUT },
  ENOTFOUND: { says: 'no such host', kind: 'unknown_host' },
  EAI_AGAIN: { says: 'the name server gave no answer' },
  EHOSTUNREACH: { says: NO_WAY },
  ENETUNREACH: { says: NO_WAY },
  ETIMEDOUT: { says: SLOW },
  UND_ERR_CONNECT_TIMEOUT: { says: `to connect ${SLOW}` },
  UND_ERR_HEADERS_TIMEOUT: { says: SLOW },
  UND_ERR_BODY_TIMEOUT: { says: SLOW },
  EPROTO: { says: 'it does not speak TLS', kind: 'no_tls' },
  ERR_SSL_WRONG_VERSION_NUMBER: { says: 'it does not speak TLS', kind: 'no_tls' },
  ERR_SSL_PACKET_LENGTH_TOO_LONG: { says: 'it does not speak TLS', kind: 'no_tls' },
  DEPTH_ZERO_SELF_SIGNED_CERT: { says: 'it is self-signed' },
  SELF_SIGNED_CERT_IN_CHAIN: { says: UNKNOWN_AUTHORITY },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { says: UNKNOWN_AUTHORITY },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { says: UNKNOWN_AUTHORITY },
  CERT_HAS_EXPIRED: { says: 'it has expired', kind: 'bad_certificate' },
  CERT_NOT_YET_VALID: { says: 'it is not valid yet', kind: 'bad_certificate' },
  ERR_TLS_CERT_ALTNAME_INVALID: { says: 'it is for another name', kind: 'bad_certificate' },
};
const MAX_DEPTH = 5;

/** The cause of a registry's failure: our own message, and the code of what lay behind it. */
export function causeOf(error: RegistryError): Cause {
  const codes = codesBehind(error.cause);
  const known = codes.find((code) => Object.hasOwn(CODES, code));
  const code = known ?? codes.find((each) => each !== 'ERR_FORBIDDEN_ADDRESS');
  if (code === undefined) return { text: error.message, kind: 'other' };
  const { says, kind = 'other' } = CODES[code] ?? {};
  return { text: `${error.message}: ${says === undefined ? code : `${says} (${code})`}`, kind };
}

/** The codes of an error and of what caused it, from the outside in. */
function codesBehind(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth === MAX_DEPTH) return [];
  const code = 'code' in error && typeof error.code === 'string' ? [error.code] : [];
  return [...code, ...codesBehind(error.cause, depth + 1)];
}
