/**
 * Why a registry gave no digest, in the classes that a Pod's author may hear of:
 * - `unreachable`: no answer in time, a broken connection, or a server error (5xx);
 * - `denied`: 401 or 403 to every credential, and to nobody in particular;
 * - `not_found`: the registry knows no such repository or tag (or hides it from us);
 * - `throttled`: 408 or 429;
 * - `policy`: the registry refuses this image (Harbor's 412);
 * - `certificate`: the registry's TLS certificate is not trusted;
 * - `forbidden_address`: the host lies in an address range that is closed unless the operator lists it;
 * - `schema1`: the tag points at a manifest of the format that no runtime takes any more;
 * - `invalid_answer`: an answer that no registry may give: a page, a broken digest, a body too large.
 */
export const REGISTRY_ERROR_CODES = [
  'unreachable',
  'denied',
  'not_found',
  'throttled',
  'policy',
  'certificate',
  'forbidden_address',
  'schema1',
  'invalid_answer',
] as const;
export type RegistryErrorCode = (typeof REGISTRY_ERROR_CODES)[number];

const RETRYABLE: ReadonlySet<RegistryErrorCode> = new Set(['unreachable', 'throttled']);

export interface RegistryErrorDetails {
  /** The registry's host, as it was contacted. */
  readonly registry: string;
  /** The HTTP status, where there was an answer. */
  readonly status?: number | undefined;
  /** How long the registry asked us to wait (Retry-After), in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** False where the registry was not asked at all: too many questions wait for it, or its breaker is open. */
  readonly asked?: boolean | undefined;
  /** Whether no other credential could get another answer. */
  readonly conclusive?: boolean | undefined;
  /** Who was tried, in order: sources of credentials, and `anonymous`. */
  readonly tried?: readonly string[] | undefined;
  readonly cause?: unknown;
}

/**
 * The one error of the registry client. Its message and cause are for our own log; a Pod's author is told the
 * code only (`admission/failure.ts` words it), else admission would answer port scans.
 */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: RegistryErrorCode;
  readonly registry: string;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly asked: boolean;
  readonly conclusive: boolean;
  readonly tried: readonly string[];

  constructor(code: RegistryErrorCode, message: string, details: RegistryErrorDetails) {
    super(message, { cause: details.cause });
    this.code = code;
    this.registry = details.registry;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
    this.asked = details.asked ?? true;
    this.conclusive = details.conclusive ?? false;
    this.tried = details.tried ?? [];
  }

  /** Whether the same request may succeed later without anyone changing anything. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }

  /** The same error, which knows who was tried. */
  withTried(tried: readonly string[]): RegistryError {
    const { registry, status, retryAfterMs, asked, conclusive, cause } = this;
    const details = { registry, status, retryAfterMs, asked, conclusive, cause, tried };
    return new RegistryError(this.code, this.message, details);
  }
}

/** The error for an HTTP status that is not a success. */
export function errorForStatus(status: number, what: string, details: RegistryErrorDetails): RegistryError {
  return new RegistryError(codeForStatus(status), `${what} was answered with status ${status}`, {
    ...details,
    status,
  });
}

function codeForStatus(status: number): RegistryErrorCode {
  if (status === 401 || status === 403) return 'denied';
  if (status === 404) return 'not_found';
  if (status === 408 || status === 429) return 'throttled';
  if (status === 412) return 'policy';
  // 499 is a gateway's word for "the client went away"; like every 5xx it says nothing about the image.
  if (status >= 500 || status === 499) return 'unreachable';
  return 'invalid_answer';
}
