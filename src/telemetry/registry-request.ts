/** One manifest request to a registry that was answered or failed; redirects and retries are requests of their own. */
export interface RegistryRequestEvent {
  readonly registry: string;
  readonly method: 'HEAD' | 'GET';
  /** The HTTP status; without an answer, the code of the RegistryError, or `cancelled`. */
  readonly code: string;
  readonly durationMs: number;
}
