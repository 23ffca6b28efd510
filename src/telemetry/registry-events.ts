/** One manifest request to a registry that was answered or failed; redirects and retries are requests of their own. */
export interface RegistryRequestEvent {
  readonly registry: string;
  readonly method: 'HEAD' | 'GET';
  /** The HTTP status; without an answer, the code of the RegistryError, or `cancelled`. */
  readonly code: string;
  readonly durationMs: number;
}

/**
 * What an operator should hear of once, in the log:
 * - `registry_warning`: the registry sent a `Warning: 299` header;
 * - `digest_mismatch`: the digest header of a GET is not the digest of the bytes, which was used;
 * - `credentials_withheld`: the registry's token server is on a host that may not get its credentials;
 * - `anonymous_instead`: every credential was refused, and the image can be read without any: a kubelet with these
 *   credentials may fail to pull it.
 */
export type RegistryNoticeKind =
  'registry_warning' | 'digest_mismatch' | 'credentials_withheld' | 'anonymous_instead';

export interface RegistryNotice {
  readonly kind: RegistryNoticeKind;
  readonly registry: string;
  /** What is told apart from other notices of the kind: a repository, a host, the text of a warning. */
  readonly subject: string;
}

/** What the registry client tells of itself. */
export interface RegistryEvents {
  readonly onRequest: (event: RegistryRequestEvent) => void;
  /** Told each time; whoever logs it sees to it that the log says it once. */
  readonly onNotice: (notice: RegistryNotice) => void;
  readonly onPullsRemaining: (registry: string, remaining: number) => void;
  /** One more breaker of this registry is open (1), or one fewer (-1). */
  readonly onBreaker: (registry: string, change: 1 | -1) => void;
  /** A question was answered by an open breaker. */
  readonly onDeniedFast: (registry: string) => void;
}
