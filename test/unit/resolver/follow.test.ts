import { beforeEach, expect, test } from '@jest/globals';
import { parseReference } from '../../../src/image/reference.ts';
import { RegistryError, type RegistryErrorCode } from '../../../src/registry/errors.ts';
import { Resolver, type Resolution } from '../../../src/resolver/resolver.ts';
import { FakeClock } from '../../support/clock.ts';
import { CacheCounts } from '../../support/counted.ts';
import { digest } from '../../support/digests.ts';
import { HeldSource } from '../../support/held-source.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

// Policy `follow`: the tag's digest of about now, as cheaply as that allows.

const A = digest('a');
const B = digest('b');
const MINUTE_MS = 60_000;
let clock: FakeClock;
let source: HeldSource;
let counts: CacheCounts;
let resolver: Resolver;

beforeEach(() => {
  clock = new FakeClock();
  source = new HeldSource();
  counts = new CacheCounts();
  resolver = new Resolver({
    source,
    maxTags: 2,
    freshnessMs: 0,
    followTtlMs: MINUTE_MS,
    staleIfErrorMs: 15 * MINUTE_MS,
    isImmutable: ({ tag }) => tag === 'v1',
    countCacheRequest: counts.count,
    now: clock.now,
  });
});

function follow(image = 'registry.test/web:1', signal = noDeadline()): Promise<Resolution> {
  return resolver.follow({
    reference: parseReference(image),
    identity: { fingerprint: 'anonymous', credentials: [] },
    revision: 'rs-1',
    signal,
  });
}

async function known(answer = A, image?: string): Promise<void> {
  const asked = follow(image);
  source.question(source.questions.length - 1).answer(answer);
  await asked;
}

test('an answer serves for its time without asking again', async () => {
  await known();
  clock.advance(MINUTE_MS / 2);
  expect(await follow()).toEqual({ digest: A, source: 'cache' });
  expect(source.questions).toHaveLength(1);
  expect(counts.of('tag', 'hit')).toBe(1);
});

test('past half its time an answer still serves while one question refreshes it', async () => {
  await known();
  clock.advance(MINUTE_MS / 2 + 1);
  expect(await Promise.all([follow(), follow(), follow()])).toEqual(
    Array.from({ length: 3 }, () => ({ digest: A, source: 'cache' })),
  );
  expect(source.questions).toHaveLength(2);
  source.question(1).answer(B);
  await settle();
  expect(await follow()).toEqual({ digest: B, source: 'cache' });
  expect(source.questions).toHaveLength(2);
});

test('a refresh that fails harms nobody', async () => {
  await known();
  clock.advance(MINUTE_MS / 2 + 1);
  await follow();
  source.question(1).fail(new RegistryError('not_found', 'gone', { registry: 'registry.test' }));
  await settle();
  expect(await follow()).toEqual({ digest: A, source: 'cache' });
});

test('past its time the registry is asked, once for all who ask meanwhile', async () => {
  await known();
  clock.advance(MINUTE_MS + 1);
  const asked = [follow(), follow(), follow()];
  source.question(1).answer(B);
  expect((await Promise.all(asked)).map(({ digest: answer }) => answer)).toEqual([B, B, B]);
  expect(source.questions).toHaveLength(2);
  expect(counts.of('tag', 'coalesced')).toBe(2);
});

test.each(['unreachable', 'throttled'] as const)(
  'an older answer serves while the registry is %s',
  async (code) => {
    await known();
    clock.advance(15 * MINUTE_MS);
    const asked = follow();
    source.question(1).fail(new RegistryError(code, code, { registry: 'registry.test' }));
    expect(await asked).toEqual({ digest: A, source: 'cache' });
    expect(counts.of('tag', 'stale')).toBe(1);
  },
);

test('an older answer serves when the deadline comes first', async () => {
  await known();
  clock.advance(2 * MINUTE_MS);
  const deadline = new AbortController();
  const asked = follow(undefined, deadline.signal);
  deadline.abort(new Error('deadline'));
  expect(await asked).toEqual({ digest: A, source: 'cache' });
});

test('an answer past the time for outages serves no more', async () => {
  await known();
  clock.advance(15 * MINUTE_MS + 1);
  const asked = follow();
  source.question(1).fail(new RegistryError('unreachable', 'down', { registry: 'registry.test' }));
  await expect(asked).rejects.toMatchObject({ code: 'unreachable' });
});

test.each<RegistryErrorCode>([
  'denied',
  'not_found',
  'policy',
  'certificate',
  'invalid_answer',
  'forbidden_address',
])('no older answer stands against the word %s', async (code) => {
  await known();
  clock.advance(2 * MINUTE_MS);
  const asked = follow();
  source.question(1).fail(new RegistryError(code, code, { registry: 'registry.test' }));
  await expect(asked).rejects.toMatchObject({ code });
});

test('an immutable tag is never refreshed', async () => {
  await known(A, 'registry.test/web:v1');
  clock.advance(365 * 24 * 60 * MINUTE_MS);
  expect(await follow('registry.test/web:v1')).toEqual({ digest: A, source: 'cache' });
  expect(source.questions).toHaveLength(1);
});

test('an answer of a sticky birth serves `follow` too, never the other way round', async () => {
  const reference = parseReference('registry.test/web:1');
  const request = {
    reference,
    identity: { fingerprint: 'anonymous', credentials: [] },
    revision: 'rs-1',
    signal: noDeadline(),
  };
  const born = resolver.fresh(request);
  source.question(0).answer(A);
  await born;
  expect(await follow()).toEqual({ digest: A, source: 'cache' });
  const next = resolver.fresh(request);
  source.question(1).answer(B);
  expect((await next).digest).toBe(B);
});

test('no more tags are kept than allowed; the least recently used goes first', async () => {
  await known(A, 'registry.test/web:1');
  await known(A, 'registry.test/web:2');
  await follow('registry.test/web:1');
  await known(A, 'registry.test/web:3');
  expect(await follow('registry.test/web:1')).toEqual({ digest: A, source: 'cache' });
  const forgotten = follow('registry.test/web:2');
  expect(source.questions).toHaveLength(4);
  source.question(3).answer(B);
  expect((await forgotten).digest).toBe(B);
});
