import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Keychain } from '../../../src/credentials/keychain.ts';
import { DigestChecks, type DigestChecksOptions } from '../../../src/fleet/digest-checks.ts';
import type { MissingDigest } from '../../../src/fleet/missing-digests.ts';
import { parseReference } from '../../../src/image/reference.ts';
import type { ServedDigest } from '../../../src/pins/served-digest.ts';
import { RegistryError, type RegistryErrorCode } from '../../../src/registry/errors.ts';
import { FakeClock } from '../../support/clock.ts';
import { digest } from '../../support/digests.ts';
import { dockerConfig, PlayedSecrets } from '../../support/played-secrets.ts';
import { settle } from '../../support/settle.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const [A, B] = [digest('a'), digest('b')];

let clock: FakeClock;
let secrets: PlayedSecrets;
let checks: DigestChecks;
/** What the registry was asked, and by whom: `web@a as anonymous`. */
let asked: string[];
/** When, in milliseconds since the start. */
let askedAtMs: number[];
let heard: string[];
let told: MissingDigest[];
let errors: unknown[];
/** What the registry answers; an error is thrown. */
let answer: (question: string) => boolean | Error | Promise<boolean>;
let pause: { readonly untilMs: number; readonly end: () => void } | undefined;
let random: number;
let startMs: number;

beforeEach(() => {
  clock = new FakeClock();
  startMs = clock.now();
  secrets = new PlayedSecrets();
  [asked, askedAtMs, heard, told, errors] = [[], [], [], [], []];
  answer = () => true;
  pause = undefined;
  random = 0;
  checks = start();
});

afterEach(async () => checks.stop());

function start(options: Partial<DigestChecksOptions> = {}): DigestChecks {
  const started = new DigestChecks({
    manifests: {
      hasManifest: async ({ path }, sum, { credentials }, signal) => {
        const who = credentials.map((credential) => credential.reveal().username);
        const question = `${path}@${sum.slice(-1)} as ${who.join('+') || 'anonymous'}`;
        asked.push(question);
        askedAtMs.push(clock.now() - startMs);
        signal.throwIfAborted();
        const given = await answer(question);
        if (given instanceof Error) throw given;
        return given;
      },
    },
    keychain: new Keychain({ secrets, countCacheRequest: () => {}, now: clock.now }),
    maxDigests: 100,
    everyMs: HOUR_MS,
    onError: (error) => void errors.push(error),
    random: () => random,
    wait: async (ms, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      pause = { untilMs: clock.now() + ms, end: resolve };
      signal.addEventListener('abort', () => reject(new Error('aborted')));
      await promise.finally(() => (pause = undefined));
    },
    now: clock.now,
    ...options,
  });
  started.subscribe({
    missing: (one) => {
      heard.push(`${one.namespace} misses ${one.digest.slice(-1)}`);
      told.push(one);
    },
    back: ({ namespace, digest: sum }) => void heard.push(`${namespace} has ${sum.slice(-1)} back`),
  });
  started.start();
  return started;
}

/** Lets time go by: each pause ends when it is over, and what comes after it is done. */
async function pass(ms: number): Promise<void> {
  const endMs = clock.now() + ms;
  await settle();
  while (pause !== undefined && pause.untilMs <= endMs) {
    clock.advance(pause.untilMs - clock.now());
    pause.end();
    await settle();
  }
  clock.advance(endMs - clock.now());
}

interface Served {
  readonly image?: string;
  readonly sum?: string;
  readonly namespace?: string;
  readonly names?: readonly string[];
  readonly revision?: string;
}

/** A Pod of a Deployment gets the digest. */
function serve({
  image = 'r.test/web:1',
  sum = A,
  namespace = 'shop',
  names = [],
  revision = 'rs-1',
}: Served = {}): void {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: revision, uid: revision };
  const served: ServedDigest = {
    revision: { ...owner, namespace },
    owner,
    reference: parseReference(image),
    image: { reference: image, digest: sum, resolvedAt: '2026-11-01T00:00:00Z', source: 'resolved' },
    secrets: { namespace, names },
  };
  checks.served(served);
}

function trouble(code: RegistryErrorCode, details: object = {}): RegistryError {
  return new RegistryError(code, 'played', { registry: 'r.test', ...details });
}

describe('a digest that Pods get from pins', () => {
  test('is asked about once in each interval, and not before the first one is over', async () => {
    serve();
    await pass(HOUR_MS - 1);
    expect(asked).toEqual([]);
    await pass(1);
    expect(asked).toEqual(['web@a as anonymous']);
    for (let minute = 0; minute < 60; minute += 1) {
      serve();
      await pass(60_000);
    }
    expect(askedAtMs).toEqual([HOUR_MS, 2 * HOUR_MS]);
  });

  test('has its turn up to a fifth of the interval later, by chance', async () => {
    random = 0.5;
    serve();
    await pass(1.1 * HOUR_MS - 1);
    expect(asked).toEqual([]);
    await pass(1);
    expect(asked).toHaveLength(1);
  });

  test('waits for the others: a second between two questions', async () => {
    for (const name of ['a', 'b', 'c']) serve({ image: `r.test/${name}` });
    await pass(HOUR_MS + 10_000);
    expect(askedAtMs).toEqual([HOUR_MS, HOUR_MS + 1_000, HOUR_MS + 2_000]);
  });

  test('is asked about alone: the next question waits for the answer to this one', async () => {
    const held = Promise.withResolvers<boolean>();
    answer = async () => held.promise;
    for (const name of ['a', 'b']) serve({ image: `r.test/${name}` });
    await pass(2 * HOUR_MS);
    expect(asked).toHaveLength(1);
    held.resolve(true);
    await pass(1_000);
    expect(asked).toHaveLength(2);
  });

  test('is forgotten when no Pod got it for a day', async () => {
    serve();
    await pass(DAY_MS + HOUR_MS);
    const askedInADay = asked.length;
    await pass(DAY_MS);
    expect(askedInADay).toBeGreaterThan(20);
    expect(asked).toHaveLength(askedInADay);
  });

  test('is known for as long as Pods go on getting it', async () => {
    for (let times = 0; times < 4; times += 1) {
      serve();
      await pass(DAY_MS - 1);
    }
    expect(asked).toHaveLength(95);
    expect(checks.missingByRegistry().size).toBe(1);
  });

  test('is forgotten when there are too many, the one that was served the longest ago first, by the minute', async () => {
    await checks.stop();
    checks = start({ maxDigests: 2 });
    for (const name of ['old', 'new']) serve({ image: `r.test/${name}` });
    await pass(60_000);
    serve({ image: 'r.test/old' });
    serve({ image: 'r.test/third' });
    await pass(HOUR_MS + 10_000);
    expect(asked.toSorted()).toEqual(['old@a as anonymous', 'third@a as anonymous']);
    expect(checks.caches.served_digest).toMatchObject({ size: 2, max: 2, evictions: 1 });
  });

  test('is not watched where its Pod names so many secrets that it would take much memory', async () => {
    serve({ names: Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(100, 'x')) });
    expect(checks.caches.served_digest?.size).toBe(0);
    await pass(2 * HOUR_MS);
    expect(asked).toEqual([]);
  });
});

describe('a clear no', () => {
  test('is told once, with what an operator needs: where, who, which reference', async () => {
    answer = () => false;
    serve({ revision: 'rs-1' });
    serve({ revision: 'rs-2', image: 'r.test/web:stable' });
    await pass(3 * HOUR_MS);
    expect(asked).toHaveLength(3);
    expect(heard).toEqual(['shop misses a']);
    const [missing] = told;
    expect(missing).toMatchObject({ repository: 'r.test/web', digest: A, namespace: 'shop' });
    expect(missing?.uses.map(({ owner, reference }) => [owner.kind, owner.uid, reference])).toEqual([
      ['ReplicaSet', 'rs-1', 'r.test/web:1'],
      ['ReplicaSet', 'rs-2', 'r.test/web:stable'],
    ]);
  });

  test('names the last few revisions, not all that ever were', async () => {
    answer = () => false;
    for (let count = 1; count <= 50; count += 1) serve({ revision: `rs-${count}` });
    serve({ revision: 'x'.repeat(2_000) });
    await pass(HOUR_MS);
    expect(told[0]?.uses.map(({ revision }) => revision.name)).toEqual(['rs-47', 'rs-48', 'rs-49', 'rs-50']);
  });

  test('counts until the digest is back, which is told once, too', async () => {
    answer = () => false;
    serve();
    serve({ image: 'r.test/api', sum: B });
    expect(checks.missingByRegistry()).toEqual(new Map([['r.test', 0]]));
    await pass(HOUR_MS + 5_000);
    expect(checks.missingByRegistry()).toEqual(new Map([['r.test', 2]]));
    answer = (question) => question.startsWith('web');
    await pass(3 * HOUR_MS);
    expect(checks.missingByRegistry()).toEqual(new Map([['r.test', 1]]));
    expect(heard).toEqual(['shop misses a', 'shop misses b', 'shop has a back']);
  });

  test('counts no longer when no Pod got the digest for a day', async () => {
    answer = () => false;
    serve();
    await pass(DAY_MS - 1);
    expect(checks.missingByRegistry()).toEqual(new Map([['r.test', 1]]));
    await pass(HOUR_MS);
    expect(checks.missingByRegistry()).toEqual(new Map());
  });

  test('is one image in the count, however many namespaces pull it', async () => {
    answer = () => false;
    for (const namespace of ['one', 'two', 'three']) serve({ namespace });
    await pass(HOUR_MS + 5_000);
    expect(heard.toSorted()).toEqual(['one misses a', 'three misses a', 'two misses a']);
    expect(checks.missingByRegistry()).toEqual(new Map([['r.test', 1]]));
  });
});

describe('what says neither yes nor no', () => {
  const SILENT: readonly (readonly [string, Error])[] = [
    ['no access', trouble('denied', { status: 401 })],
    ['a 404 that may mean something else', trouble('not_found', { status: 404 })],
    ['a time-out', trouble('unreachable')],
    ['a server error', trouble('unreachable', { status: 503 })],
    ['a rate limit', trouble('throttled', { status: 429 })],
    ['an open breaker', trouble('unreachable', { asked: false })],
    ['an answer that no registry gives', trouble('invalid_answer')],
  ];

  test.each(SILENT)('(%s) makes nothing missing', async (_what, error) => {
    answer = () => error;
    serve();
    await pass(4 * HOUR_MS);
    expect(asked.length).toBeGreaterThan(2);
    expect(heard).toEqual([]);
    expect(errors).toEqual([]);
  });

  test.each(SILENT)('(%s) leaves missing what was missing', async (_what, error) => {
    answer = () => false;
    serve();
    await pass(HOUR_MS);
    answer = () => error;
    await pass(4 * HOUR_MS);
    expect(heard).toEqual(['shop misses a']);
    expect(checks.missingByRegistry()).toEqual(new Map([['r.test', 1]]));
  });

  test('spares a registry that is down or throttles a question for each image: a whole round for the same Pods', async () => {
    answer = () => trouble('unreachable');
    for (let count = 0; count < 10; count += 1) serve({ image: `r.test/image-${count}` });
    serve({ image: 'other.test/web' });
    await pass(HOUR_MS + 60_000);
    expect(asked).toEqual(['image-0@a as anonymous', 'web@a as anonymous']);
  });

  test('of one tenant postpones no question of another', async () => {
    secrets.put('one/regcred', dockerConfig({ 'r.test': 'ann' }));
    secrets.put('two/regcred', dockerConfig({ 'r.test': 'bob' }));
    answer = (question) => (question.endsWith('ann') ? trouble('throttled') : true);
    for (const namespace of ['one', 'two']) serve({ namespace, names: ['regcred'] });
    await pass(HOUR_MS + 60_000);
    expect(asked).toEqual(['web@a as ann', 'web@a as bob']);
  });
});

describe('tenants', () => {
  beforeEach(() => {
    secrets.put('one/regcred', dockerConfig({ 'r.test': 'ann' }));
    secrets.put('two/regcred', dockerConfig({ 'r.test': 'bob' }));
  });

  test('ask with the pull secrets of their Pods', async () => {
    for (const namespace of ['one', 'two']) serve({ namespace, names: ['regcred'] });
    await pass(HOUR_MS + 5_000);
    expect(asked).toEqual(['web@a as ann', 'web@a as bob']);
  });

  test('who get a 404 for what another one sees make nothing missing, whoever is asked first', async () => {
    for (const namespace of ['one', 'two']) serve({ namespace, names: ['regcred'] });
    answer = (question) => question.endsWith('bob');
    await pass(10 * HOUR_MS);
    expect(asked.length).toBeGreaterThan(10);
    expect(heard).toEqual([]);
    expect(checks.missingByRegistry()).toEqual(new Map([['r.test', 0]]));
  });

  test('who all get a 404 make it missing', async () => {
    for (const namespace of ['one', 'two']) serve({ namespace, names: ['regcred'] });
    answer = () => false;
    await pass(HOUR_MS);
    expect(heard).toEqual([]);
    await pass(1_000);
    expect(heard).toEqual(['one misses a', 'two misses a']);
  });

  test('who come to an image that is missing change nothing before their turn', async () => {
    serve({ namespace: 'one', names: ['regcred'] });
    answer = (question) => question.endsWith('bob');
    await pass(HOUR_MS);
    serve({ namespace: 'two', names: ['regcred'] });
    await pass(HOUR_MS - 1);
    expect(heard).toEqual(['one misses a']);
    await pass(5_000);
    expect(heard).toEqual(['one misses a', 'one has a back']);
  });

  test('are told of what is known to be missing, without waiting for the turn of who came last', async () => {
    for (const namespace of ['one', 'two']) serve({ namespace, names: ['regcred'] });
    answer = (question) => (question.endsWith('bob') ? trouble('denied') : false);
    await pass(HOUR_MS + 5_000);
    expect(heard).toEqual(['one misses a']);
    answer = () => false;
    secrets.put('three/regcred', dockerConfig({ 'r.test': 'eve' }));
    await pass(HOUR_MS - 10_000);
    serve({ namespace: 'three', names: ['regcred'] });
    await pass(10_000);
    expect(heard).toEqual(['one misses a', 'two misses a']);
  });

  test('with the same credentials share an answer for as long as the interval', async () => {
    secrets.put('three/regcred', dockerConfig({ 'r.test': 'ann' }));
    for (const namespace of ['one', 'three']) serve({ namespace, names: ['regcred'] });
    answer = () => false;
    await pass(HOUR_MS + 10_000);
    expect(asked).toEqual(['web@a as ann']);
    expect(heard).toEqual(['one misses a', 'three misses a']);
    await pass(HOUR_MS);
    expect(asked).toEqual(['web@a as ann', 'web@a as ann']);
  });

  test('whose secret is gone may be somebody else now: their 404 says nothing', async () => {
    answer = (question) => !question.endsWith('anonymous');
    serve({ namespace: 'one', names: ['regcred'] });
    await pass(HOUR_MS);
    secrets.set('one/regcred', { is: 'missing' });
    await pass(5 * HOUR_MS);
    expect(asked.at(-1)).toBe('web@a as anonymous');
    expect(heard).toEqual([]);
  });

  test('who name a secret that never was are believed once the image was there for them', async () => {
    serve({ namespace: 'one', names: ['regcred', 'never'] });
    await pass(HOUR_MS);
    answer = () => false;
    await pass(HOUR_MS);
    expect(heard).toEqual(['one misses a']);
  });

  test("whose secret is read, read it no more often than a question is asked, and nobody's is kept", async () => {
    serve({ namespace: 'one', names: ['regcred'] });
    await pass(2 * HOUR_MS);
    expect(secrets.reads).toEqual(['one/regcred', 'one/regcred']);
    expect(asked).toHaveLength(2);
  });
});

test('a turn is not answered from the one before, however long the Secret took to read', async () => {
  secrets.put('shop/regcred', dockerConfig({ 'r.test': 'ann' }));
  let readMs = 10;
  secrets.before = async () => {
    clock.advance(readMs);
    readMs = 0;
  };
  serve({ names: ['regcred'] });
  await pass(HOUR_MS + 1_000);
  await pass(HOUR_MS);
  expect(asked).toHaveLength(2);
});

describe('the end', () => {
  test('leaves no pause behind', async () => {
    serve();
    await settle();
    expect(pause).toBeDefined();
    await checks.stop();
    expect(pause).toBeUndefined();
    await pass(5 * HOUR_MS);
    expect(asked).toEqual([]);
  });

  test('gives up the question that is under way, and says nothing of it', async () => {
    let signal: AbortSignal | undefined;
    await checks.stop();
    checks = start({
      manifests: {
        hasManifest: async (_reference, _sum, _identity, given) => {
          signal = given;
          const { promise, reject } = Promise.withResolvers<boolean>();
          given.addEventListener('abort', () => reject(given.reason as Error));
          return promise;
        },
      },
    });
    serve();
    await pass(HOUR_MS);
    expect(signal?.aborted).toBe(false);
    await checks.stop();
    expect(signal?.aborted).toBe(true);
    expect([heard, errors]).toEqual([[], []]);
  });

  test('does not come by an error that nobody foresaw', async () => {
    answer = () => new TypeError('a mistake');
    serve();
    await pass(HOUR_MS);
    expect(errors).toEqual([new TypeError('a mistake')]);
    answer = () => false;
    await pass(HOUR_MS);
    expect(heard).toEqual(['shop misses a']);
  });
});
