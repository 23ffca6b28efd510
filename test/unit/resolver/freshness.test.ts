import { beforeEach, expect, test } from '@jest/globals';
import { parseReference } from '../../../src/image/reference.ts';
import { RegistryError } from '../../../src/registry/errors.ts';
import { Resolver, type Resolution, type ResolverOptions } from '../../../src/resolver/resolver.ts';
import { FakeClock } from '../../support/clock.ts';
import { CacheCounts } from '../../support/counted.ts';
import { digest } from '../../support/digests.ts';
import { HeldSource } from '../../support/held-source.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

// The freshness rule: an answer may pin only if its registry request started after it was asked for.

const A = digest('a');
const B = digest('b');
let clock: FakeClock;
let source: HeldSource;
let counts: CacheCounts;

beforeEach(() => {
  clock = new FakeClock();
  source = new HeldSource();
  counts = new CacheCounts();
});

function resolver(options: Partial<ResolverOptions> = {}): Resolver {
  return new Resolver({
    source,
    maxTags: 100,
    freshnessMs: 0,
    followTtlMs: 60_000,
    staleIfErrorMs: 900_000,
    isImmutable: () => false,
    countCacheRequest: counts.count,
    now: clock.now,
    ...options,
  });
}

function ask(
  from: Resolver,
  image = 'registry.test/web:1',
  fingerprint = 'anonymous',
  revision?: string,
): Promise<Resolution> {
  return from.fresh({
    reference: parseReference(image),
    identity: { fingerprint, credentials: [] },
    revision,
    signal: noDeadline(),
  });
}

test('an answer that was under way when a revision came does not serve it', async () => {
  const resolving = resolver();
  const revisionA = ask(resolving);
  const revisionB = ask(resolving);
  expect(source.questions).toHaveLength(1);
  source.question(0).answer(A);
  expect(await revisionA).toEqual({ digest: A, source: 'registry' });
  await settle();
  source.question(1).answer(B);
  expect(await revisionB).toEqual({ digest: B, source: 'registry' });
});

test('an answer from the moment before does not serve either', async () => {
  const resolving = resolver();
  const first = ask(resolving);
  source.question(0).answer(A);
  await first;
  const second = ask(resolving);
  source.question(1).answer(B);
  expect((await second).digest).toBe(B);
});

test('a burst of 50 revisions costs two questions in a row, and each is counted', async () => {
  const resolving = resolver();
  const asked = Array.from({ length: 50 }, () => ask(resolving));
  source.question(0).answer(A);
  await settle();
  source.question(1).answer(B);
  const digests = (await Promise.all(asked)).map(({ digest: answered }) => answered);
  expect(digests).toEqual([A, ...Array(49).fill(B)]);
  expect(source.questions).toHaveLength(2);
  expect(counts.of('tag', 'miss')).toBe(2);
  expect(counts.of('tag', 'coalesced')).toBe(48);
});

test('other images and other identities are asked for at the same time, and never share an answer', async () => {
  const resolving = resolver();
  const asked = [
    ask(resolving, 'registry.test/web:1'),
    ask(resolving, 'registry.test/web:2'),
    ask(resolving, 'registry.test/web:1', 'tenant'),
  ];
  expect(source.questions.map(({ reference, fingerprint }) => [reference, fingerprint])).toEqual([
    ['registry.test/web:1', 'anonymous'],
    ['registry.test/web:2', 'anonymous'],
    ['registry.test/web:1', 'tenant'],
  ]);
  ['a', 'b', 'c'].forEach((digit, index) => source.question(index).answer(digest(digit)));
  expect((await Promise.all(asked)).map(({ digest: answered }) => answered)).toEqual(
    ['a', 'b', 'c'].map(digest),
  );
});

test('two spellings of one image are one question', async () => {
  const resolving = resolver();
  const first = ask(resolving, 'nginx:1');
  const second = ask(resolving, 'docker.io/library/nginx:1');
  expect(source.questions).toHaveLength(1);
  source.question(0).answer(A);
  await first;
  await settle();
  source.question(1).answer(A);
  await second;
});

test('with freshnessMs an answer of that age may pin, counted from when it was asked for', async () => {
  const resolving = resolver({ freshnessMs: 1_000 });
  const first = ask(resolving);
  clock.advance(600);
  source.question(0).answer(A);
  await first;
  clock.advance(400);
  expect(await ask(resolving)).toEqual({ digest: A, source: 'cache' });
  clock.advance(1);
  const second = ask(resolving);
  source.question(1).answer(B);
  expect(await second).toEqual({ digest: B, source: 'registry' });
});

test('a tag that the operator declares immutable is asked for once and for all', async () => {
  const resolving = resolver({ isImmutable: ({ tag }) => tag === 'v1' });
  const first = ask(resolving, 'registry.test/web:v1');
  source.question(0).answer(A);
  await first;
  clock.advance(365 * 24 * 3_600_000);
  expect(await ask(resolving, 'registry.test/web:v1')).toEqual({ digest: A, source: 'cache' });
  expect(counts.of('tag', 'hit')).toBe(1);
});

test('one caller may give up while the others wait on; the last takes the question with it', async () => {
  const resolving = resolver();
  const giveUp = new AbortController();
  const reference = parseReference('registry.test/web:1');
  const request = { reference, identity: { fingerprint: 'anonymous', credentials: [] }, revision: undefined };
  const left = resolving.fresh({ ...request, signal: giveUp.signal });
  giveUp.abort(new Error('too late'));
  await expect(left).rejects.toThrow('too late');
  expect(source.question(0).signal.aborted).toBe(true);
});

const failing = (
  code: 'not_found' | 'denied' | 'policy' | 'throttled' | 'unreachable',
  retryAfterMs?: number,
): RegistryError => new RegistryError(code, code, { registry: 'registry.test', retryAfterMs });

test.each([
  ['not_found', 10_000, failing('not_found')],
  ['denied', 15_000, failing('denied')],
  ['policy', 15_000, failing('policy')],
  ['throttled with Retry-After', 20_000, failing('throttled', 20_000)],
  ['throttled for an hour', 60_000, failing('throttled', 3_600_000)],
])(
  '%s is remembered for the revision that got it, for %i ms, and for no other',
  async (_what, ttlMs, failure) => {
    const resolving = resolver();
    const first = ask(resolving, undefined, undefined, 'rs-1');
    source.question(0).fail(failure);
    await expect(first).rejects.toBe(failure);

    await expect(ask(resolving, undefined, undefined, 'rs-1')).rejects.toBe(failure);
    expect(counts.of('tag', 'negative')).toBe(1);
    const other = ask(resolving, undefined, undefined, 'rs-2');
    source.question(1).answer(A);
    expect((await other).digest).toBe(A);

    clock.advance(ttlMs - 1);
    await expect(ask(resolving, undefined, undefined, 'rs-1')).rejects.toBe(failure);
    clock.advance(2);
    const again = ask(resolving, undefined, undefined, 'rs-1');
    source.question(2).answer(A);
    expect((await again).digest).toBe(A);
  },
);

test.each([
  ['an outage', failing('unreachable'), 'rs-1'],
  ['throttling without Retry-After', failing('throttled'), 'rs-1'],
  ['a failure without a revision', failing('not_found'), undefined],
])('%s is not remembered', async (_what, failure, revision) => {
  const resolving = resolver();
  const first = ask(resolving, undefined, undefined, revision);
  source.question(0).fail(failure);
  await expect(first).rejects.toBe(failure);
  const second = ask(resolving, undefined, undefined, revision);
  source.question(1).answer(A);
  expect((await second).digest).toBe(A);
});
