const PAUSE_MS = 100;
const DEFAULT_TIME_MS = 60_000;

/**
 * Asks again and again until the answer is neither undefined nor false.
 * @throws with what was waited for, and the last answer's reason, when the time is up.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeMs = DEFAULT_TIME_MS,
): Promise<T> {
  const end = performance.now() + timeMs;
  let last: unknown = 'no answer';
  while (performance.now() < end) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`waited ${timeMs} ms for ${what}; at last: ${String(last)}`, { cause: last });
}
