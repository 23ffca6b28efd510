/**
 * Works on all items, on at most `limit` of them at a time, beginning with the first. The outcomes come in the order
 * of the items, each as soon as it is there; one that fails is nobody's fault until somebody waits for it.
 */
export function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): readonly Promise<R>[] {
  const outcomes = items.map(() => Promise.withResolvers<R>());
  const queue = items.entries();
  const takeFromQueue = async (): Promise<void> => {
    for (const [index, item] of queue) {
      const outcome = work(item);
      outcomes[index]?.resolve(outcome);
      await outcome;
    }
  };
  for (const { promise } of outcomes) promise.catch(() => {});
  for (let worker = 0; worker < limit; worker += 1) takeFromQueue().catch(() => {});
  return outcomes.map(({ promise }) => promise);
}
