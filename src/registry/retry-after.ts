/**
 * How long a Retry-After header asks to wait, in milliseconds; undefined where there is none that can be read, or
 * its date has passed (RFC 9110 §10.2.3). `nowMs` is the wall clock, which the header's date refers to.
 */
export function retryAfterMs(header: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof header !== 'string') return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const waitMs = Date.parse(header) - nowMs;
  return waitMs > 0 ? waitMs : undefined;
}
