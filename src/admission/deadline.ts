import { DeadlineError } from './failure.ts';

/** What the API server waits where it does not say (its default for `timeoutSeconds`). */
const DEFAULT_TIMEOUT_MS = 10_000;
/** The answer has to travel, too, and a busy process answers late. */
const MARGIN = 0.2;
const MAX_MARGIN_MS = 1_000;

const UNITS_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  '\u00b5s': 1e-3,
  ns: 1e-6,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|\u00b5s|ns))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(h|ms|m|s|us|\u00b5s|ns)/g;

/**
 * How long a decision may take: the API server's own time-out, which it sends as `?timeout=5s` (a Go duration),
 * less a margin, and never more than `maxMs`: a slow denial stops strangers.
 */
export function decisionTimeMs(timeout: unknown, maxMs: number): number {
  const timeoutMs = typeof timeout === 'string' ? parseDurationMs(timeout) : undefined;
  const wholeMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return Math.min(wholeMs - Math.min(wholeMs * MARGIN, MAX_MARGIN_MS), maxMs);
}

/** A Go duration (`5s`, `1m30s`) in milliseconds; undefined for anything else, and for no time at all. */
export function parseDurationMs(text: string): number | undefined {
  if (text.length > 32 || !DURATION.test(text)) return undefined;
  let sumMs = 0;
  for (const [, number, unit] of text.matchAll(DURATION_PART))
    sumMs += Number(number) * (UNITS_MS[unit ?? ''] ?? 0);
  return sumMs > 0 && Number.isFinite(sumMs) ? sumMs : undefined;
}

/** A signal that ends with a {@link DeadlineError} after `timeMs`, or when the caller has gone. `done` frees its timer. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  /** Of time that is over already nothing is left: it ends as soon as others had their turn. */
  constructor(timeMs: number) {
    const leftMs = Math.max(timeMs, 0);
    this.#timer = setTimeout(
      () => this.#controller.abort(new DeadlineError(`no decision after ${leftMs} ms`)),
      leftMs,
    );
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Nobody waits for the answer any more. */
  callerGone(): void {
    this.#controller.abort(new DeadlineError('the API server went away'));
  }

  done(): void {
    clearTimeout(this.#timer);
  }
}
