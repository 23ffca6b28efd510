import { errors } from 'undici';
import { RegistryError } from './errors.ts';
import { codeOf } from './transport-error.ts';
import type { TransportAnswer } from './transport.ts';

export interface RetryOptions {
  /** A number from 0 up to 1, to spread retries. */
  readonly random: () => number;
  /** Resolves after so many milliseconds; rejects with the signal's reason once that is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Statuses behind which the next answer may be another: gateways between us and the registry give most of them. */
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([499, 500, 502, 503, 504, 522]);
/** A stale keep-alive connection among them: the server closed it just when we wrote to it. */
const TRANSIENT_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN']);
const TRANSIENT_ERRORS = [
  errors.SocketError,
  errors.ConnectTimeoutError,
  errors.HeadersTimeoutError,
  errors.BodyTimeoutError,
] as const;
const MIN_PAUSE_MS = 20;
const JITTER_MS = 180;

/**
 * Sends a request, and once more after a short random pause where the first try ended in a broken connection, a
 * time-out or a server error: containerd and ggcr retry the same ones. A server that says when to come back is believed.
 * @throws what the last try throws.
 */
export async function sendWithRetry(
  send: () => Promise<TransportAnswer>,
  signal: AbortSignal,
  { random, wait }: RetryOptions,
): Promise<TransportAnswer> {
  try {
    const answer = await send();
    const isTransient = TRANSIENT_STATUSES.has(answer.status) && answer.headers['retry-after'] === undefined;
    if (!isTransient) return answer;
  } catch (error) {
    if (!isTransientError(error)) throw error;
  }
  await wait(MIN_PAUSE_MS + JITTER_MS * random(), signal);
  return send();
}

function isTransientError(error: unknown): boolean {
  if (!(error instanceof RegistryError) || error.code !== 'unreachable') return false;
  const { cause } = error;
  if (TRANSIENT_ERRORS.some((type) => cause instanceof type)) return true;
  return TRANSIENT_CODES.has(codeOf(cause));
}
