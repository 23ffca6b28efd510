import { RegistryError } from './errors.ts';

/**
 * Does the work under a signal that also ends after `ms`, then with an error of class `unreachable`.
 * @throws what the work throws.
 */
export async function withDeadline<T>(
  { registry, ms, signal }: { registry: string; ms: number; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(
      new RegistryError('unreachable', `${registry} gave no answer within ${ms} ms`, { registry }),
    );
  }, ms);
  try {
    return await work(AbortSignal.any([signal, deadline.signal]));
  } finally {
    clearTimeout(timer);
  }
}
