/** A signal that never ends. */
export function noDeadline(): AbortSignal {
  return new AbortController().signal;
}
