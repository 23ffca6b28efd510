import type { TlsPair } from './tls-files.ts';

/** Where the serving certificate comes from; looked at again and again while the process runs. */
export interface CertificateSource {
  /** The pair in use; undefined where there is none yet. */
  readonly served: TlsPair | undefined;
  /** Looks whether there is a newer one. */
  check(): Promise<void>;
}
