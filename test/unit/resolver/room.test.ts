import { expect, test } from '@jest/globals';
import { Resolver } from '../../../src/resolver/resolver.ts';
import { HeldSource } from '../../support/held-source.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

// Whoever wants tags takes room for them first: what many Pods want at once must fit into memory.

function resolver(): Resolver {
  return new Resolver({
    source: new HeldSource(),
    maxTags: 100,
    freshnessMs: 0,
    followTtlMs: 60_000,
    staleIfErrorMs: 900_000,
    isImmutable: () => false,
    countCacheRequest: () => {},
    now: () => 0,
  });
}

test('more tags than are asked for at once wait until others have their answers', async () => {
  const resolving = resolver();
  const first = Promise.withResolvers<void>();
  const done: string[] = [];
  const asking = [
    resolving.withRoom(8_000, noDeadline(), () => first.promise).then(() => done.push('first')),
    resolving.withRoom(1_000, noDeadline(), async () => done.push('second')),
  ];
  await settle();
  expect(done).toEqual([]);
  expect(resolving.limits.tags_asked).toMatchObject({ used: 8_000, max: 8_192 });
  first.resolve();
  await Promise.all(asking);
  expect(done.toSorted()).toEqual(['first', 'second']);
  expect(resolving.limits.tags_asked?.used).toBe(0);
});

test('whoever waits past the end of the time hears its reason, and work that fails makes room, too', async () => {
  const resolving = resolver();
  const failing = Promise.withResolvers<void>();
  const first = resolving.withRoom(8_192, noDeadline(), () => failing.promise);
  const ending = new AbortController();
  const waiting = resolving.withRoom(1, ending.signal, async () => {});
  const reason = new Error('no time is left');
  ending.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(resolving.withRoom(1, ending.signal, async () => {})).rejects.toBe(reason);
  failing.reject(reason);
  await expect(first).rejects.toBe(reason);
  await resolving.withRoom(8_192, noDeadline(), async () => {});
});
