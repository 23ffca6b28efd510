import { RegistryError } from './errors.ts';

/**
 * Does the work under a signal that also ends after `ms`, then with an error of class `unreachable`.
 * @throws what the work throws.
 */
export async function withDeadline<T>(
  { registry, ms, signal }: { registry: string; ms: number; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // By hand: what `AbortSignal.any` makes refers weakly to its parts, and goes only with a collection of the whole heap.
  const either = new AbortController();
  const leave = (): void => either.abort(signal.reason);
  const expire = (): void =>
    either.abort(
      new RegistryError('unreachable', `${registry} gave no answer within ${ms} ms`, { registry }),
    );
  const timer = setTimeout(expire, ms);
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  try {
    return await work(either.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  }
}
