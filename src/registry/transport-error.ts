import { errors } from 'undici';
import { ForbiddenAddressError } from './address-guard.ts';
import { RegistryError } from './errors.ts';

const CERTIFICATE_CODE = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/;

/** The class of what an HTTP client throws. The original stays as the cause, for the log. */
export function transportError(error: unknown, { host }: URL): RegistryError {
  if (error instanceof RegistryError) return error;
  const details = { registry: host, cause: error };
  if (error instanceof ForbiddenAddressError) {
    return new RegistryError('forbidden_address', `${host} is at an address that is closed`, details);
  }
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new RegistryError('invalid_answer', `${host} does not speak HTTP as it should`, details);
  }
  const code = codeOf(error);
  if (CERTIFICATE_CODE.test(code)) {
    return new RegistryError('certificate', certificateMessage(code, host), details);
  }
  return new RegistryError('unreachable', `${host} gave no answer`, details);
}

/** The code of an error of Node.js or of undici; empty where it has none. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

function certificateMessage(code: string, host: string): string {
  if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${host} has expired`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `the certificate of ${host} is for another name`;
  return `the certificate of ${host} is of no trusted authority`;
}
