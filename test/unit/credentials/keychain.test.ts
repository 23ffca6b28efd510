import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Keychain, type PullCredentials } from '../../../src/credentials/keychain.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { ANONYMOUS } from '../../../src/registry/identity.ts';
import { Waits } from '../../../src/telemetry/waits.ts';
import { FakeClock } from '../../support/clock.ts';
import { CacheCounts } from '../../support/counted.ts';
import { heldBytes } from '../../support/heap.ts';
import { dockerConfig, passwordOf, PlayedSecrets } from '../../support/played-secrets.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

const IMAGE = 'registry.test/team/web:1';
let clock: FakeClock;
let counts: CacheCounts;
let secrets: PlayedSecrets;
let keychain: Keychain;

beforeEach(() => {
  clock = new FakeClock();
  counts = new CacheCounts();
  secrets = new PlayedSecrets();
  keychain = new Keychain({ secrets, countCacheRequest: counts.count, now: clock.now });
});

function ask(
  names: readonly string[],
  { image = IMAGE, namespace = 'shop', by = keychain, signal = noDeadline() } = {},
): Promise<PullCredentials> {
  return by.of({ namespace, names })(parseReference(image), signal);
}

function users({ identity }: PullCredentials): string[] {
  return identity.credentials.map((credential) => credential.reveal().username);
}

function problems({ problems: found }: PullCredentials): string[] {
  return found.map(({ code }) => code);
}

test('a name that no Secret can have is missing, and neither asked for nor remembered', async () => {
  const before = heldBytes();
  for (let index = 0; index < 50; index += 1) {
    // Made anew each time, as bodies are.
    const name = Buffer.alloc(2_000_000, `${index} `).toString('latin1');
    expect(problems(await ask([name]))).toEqual(['missing']);
  }
  expect(heldBytes() - before).toBeLessThan(20_000_000);
  expect(secrets.reads).toEqual([]);
});

describe('the credentials for an image', () => {
  test('are all that match, in the kubelet’s order, with user, password and the name of their Secret', async () => {
    secrets.put('shop/one', dockerConfig({ 'registry.test': 'host', 'other.test': 'other' }));
    secrets.put('shop/two', dockerConfig({ 'registry.test/team': 'team', '*.test': 'star' }));
    const found = await ask(['one', 'two']);
    expect(users(found)).toEqual(['team', 'host', 'star']);
    expect(found.identity.credentials.map(({ source, kind }) => [source, kind])).toEqual([
      ['Secret two', 'password'],
      ['Secret one', 'password'],
      ['Secret two', 'password'],
    ]);
    expect(found.identity.credentials[0]?.reveal()).toEqual({ username: 'team', secret: passwordOf('team') });
    expect(problems(found)).toEqual([]);
  });

  test('are read from the old form of Secret as well', async () => {
    const body = JSON.stringify({ 'registry.test': { username: 'old', password: 'p' } });
    secrets.put('shop/old', body, 'kubernetes.io/dockercfg');
    expect(users(await ask(['old']))).toEqual(['old']);
  });

  test('are matched by the registry in the spelling of the image, case and all', async () => {
    secrets.put('shop/regcred', dockerConfig({ 'Registry.test': 'upper' }));
    expect(users(await ask(['regcred'], { image: 'Registry.test/web' }))).toEqual(['upper']);
    expect(users(await ask(['regcred'], { image: 'registry.test/web' }))).toEqual([]);
  });

  test.each(['nginx', 'docker.io/nginx', 'index.docker.io/library/nginx', 'team/web'])(
    'of Docker Hub are found by its key for %s',
    async (image) => {
      secrets.put('shop/hub', dockerConfig({ 'https://index.docker.io/v1/': 'hub' }));
      expect(users(await ask(['hub'], { image }))).toEqual(['hub']);
    },
  );

  test('hold each user and password once, however many Secrets have them', async () => {
    secrets.put('shop/one', dockerConfig({ 'registry.test': 'same' }));
    secrets.put('shop/two', dockerConfig({ 'registry.test': 'same', 'registry.test/team': 'same' }));
    expect(users(await ask(['one', 'two', 'one']))).toEqual(['same']);
  });

  test('leave out entries without a user: they mean nobody in particular, who is tried last', async () => {
    const body = JSON.stringify({ auths: { 'registry.test': { password: 'p' }, '*.test': {} } });
    secrets.put('shop/empty', body);
    expect((await ask(['empty'])).identity).toBe(ANONYMOUS);
  });

  test('are anonymous where nothing matches, and say that something is there', async () => {
    secrets.put('shop/other', dockerConfig({ 'other.test': 'other' }));
    expect(await ask(['other'])).toEqual({ identity: ANONYMOUS, problems: [], noneMatches: true });
  });

  test('are anonymous for a Pod that names no Secret, and nothing is read', async () => {
    expect(await ask([])).toEqual({ identity: ANONYMOUS, problems: [], noneMatches: false });
    expect(secrets.reads).toEqual([]);
  });

  test('are anonymous without a cluster, which is said', async () => {
    const by = new Keychain({ secrets: undefined, countCacheRequest: counts.count, now: clock.now });
    const found = await ask(['regcred'], { by });
    expect(found.identity).toBe(ANONYMOUS);
    expect(found.problems.map(({ text }) => text)).toEqual([
      'Secret "regcred" is not read: this samebytes runs without a cluster',
    ]);
  });
});

/** The text of a docker config with this `auth`. */
function withAuth(auth: string): string {
  return JSON.stringify({ auths: { 'registry.test': { auth } } });
}

describe('a Secret that cannot be used is named with its problem and the next step, and the others count', () => {
  test.each<[string, () => void, string, RegExp]>([
    ['is missing', () => {}, 'missing', /"bad" does not exist in this namespace: create it/],
    [
      'may not be read',
      () => secrets.set('shop/bad', { is: 'forbidden' }),
      'forbidden',
      /RoleBinding samebytes-pull-secrets/,
    ],
    [
      'cannot be read',
      () => secrets.set('shop/bad', { is: 'unreadable' }),
      'unreadable',
      /the API server gave no answer/,
    ],
    [
      'has the wrong type',
      () => secrets.put('shop/bad', '{}', 'Opaque'),
      'wrong_type',
      /is of type "Opaque".*kubectl create secret docker-registry/,
    ],
    [
      'has the wrong key',
      () => secrets.put('shop/bad', undefined),
      'no_config',
      /nothing under \.dockerconfigjson/,
    ],
    [
      'holds half a config',
      () => secrets.put('shop/bad', '{"auths":{"registry.test":{"auth":"aHVudGVyMjpo'),
      'invalid_config',
      /\(it is not JSON\), and nodes fail to pull with it/,
    ],
    [
      'holds broken base64',
      () => secrets.put('shop/bad', withAuth('hunter2!!')),
      'invalid_config',
      /\(an auth is not base64\)/,
    ],
    [
      'holds an auth without a colon',
      () => secrets.put('shop/bad', withAuth('aHVudGVyMg==')),
      'invalid_config',
      /\(an auth does not hold user:password\)/,
    ],
  ])('%s', async (_what, arrange, code, text) => {
    arrange();
    secrets.put('shop/good', dockerConfig({ 'registry.test': 'good' }));
    const found = await ask(['bad', 'good']);
    expect(users(found)).toEqual(['good']);
    expect(problems(found)).toEqual([code]);
    expect(found.problems[0]?.text).toMatch(text);
    expect(found.problems[0]?.text).not.toMatch(/hunter2|aHVudGVy/);
    expect(found.problems[0]?.text.length).toBeLessThan(240);
  });

  test('only an API server without an answer passes by itself', async () => {
    secrets.set('shop/one', { is: 'unreadable' });
    secrets.set('shop/two', { is: 'forbidden' });
    expect((await ask(['one', 'two', 'three'])).problems.map(({ passes }) => passes)).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('is named shortly, however long its name is', async () => {
    const [problem] = (await ask(['x'.repeat(253)])).problems;
    expect(problem?.text.length).toBeLessThan(240);
  });
});

describe('Secrets are read', () => {
  beforeEach(() => secrets.put('shop/regcred', dockerConfig({ 'registry.test': 'ann' })));

  test('only when credentials are asked for', async () => {
    const credentialsFor = keychain.of({ namespace: 'shop', names: ['regcred'] });
    await settle();
    expect(secrets.reads).toEqual([]);
    await credentialsFor(parseReference(IMAGE), noDeadline());
    expect(secrets.reads).toEqual(['shop/regcred']);
  });

  test('once in ten seconds, whoever asks and for whatever image', async () => {
    for (const image of [IMAGE, 'other.test/web', IMAGE]) await ask(['regcred'], { image });
    clock.advance(9_999);
    await ask(['regcred']);
    expect(secrets.reads).toHaveLength(1);
    expect([counts.of('credentials', 'miss'), counts.of('credentials', 'hit')]).toEqual([1, 3]);
    secrets.put('shop/regcred', dockerConfig({ 'registry.test': 'eve' }));
    clock.advance(2);
    expect(users(await ask(['regcred']))).toEqual(['eve']);
  });

  test('again after two seconds where there was a problem: somebody may be mending it', async () => {
    expect(problems(await ask(['late']))).toEqual(['missing']);
    secrets.put('shop/late', dockerConfig({ 'registry.test': 'late' }));
    clock.advance(1_999);
    expect(problems(await ask(['late']))).toEqual(['missing']);
    expect(counts.of('credentials', 'negative')).toBe(1);
    clock.advance(2);
    expect(users(await ask(['late']))).toEqual(['late']);
  });

  test('once for all who ask at the same time', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    secrets.before = () => promise;
    const asking = Array.from({ length: 50 }, () => ask(['regcred']));
    await settle();
    resolve();
    expect((await Promise.all(asking)).flatMap(users)).toEqual(Array(50).fill('ann'));
    expect(secrets.reads).toHaveLength(1);
    expect([counts.of('credentials', 'miss'), counts.of('credentials', 'coalesced')]).toEqual([1, 49]);
  });

  test('several at the same time', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    secrets.before = () => promise;
    const asking = ask(['a', 'b', 'regcred']);
    await settle();
    expect(secrets.reads).toEqual(['shop/a', 'shop/b', 'shop/regcred']);
    resolve();
    expect(users(await asking)).toEqual(['ann']);
  });

  test('in the namespace of the Pod and no other', async () => {
    await ask(['regcred']);
    expect(problems(await ask(['regcred'], { namespace: 'evil' }))).toEqual(['missing']);
    expect(secrets.reads).toEqual(['shop/regcred', 'evil/regcred']);
  });

  test('until the signal ends, with its reason, and the next one reads anew', async () => {
    const controller = new AbortController();
    secrets.before = (_key, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    const asking = ask(['regcred'], { signal: controller.signal });
    controller.abort(new Error('the deadline'));
    await expect(asking).rejects.toThrow('the deadline');
    secrets.before = async () => {};
    expect(users(await ask(['regcred']))).toEqual(['ann']);
  });
});

describe('what a Pod’s author chooses has limits', () => {
  test('of a list of Secrets the first twenty are read', async () => {
    const found = await ask(Array.from({ length: 1_000 }, (_, index) => `secret-${index}`));
    expect(secrets.reads).toHaveLength(20);
    expect(problems(found)).toEqual([...Array(20).fill('missing'), 'too_many_secrets']);
  });

  test('of a Secret the first two hundred entries are used', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, index) => [`r${index}.test`, `u${index}`]),
    );
    secrets.put('shop/many', dockerConfig(many));
    expect(users(await ask(['many'], { image: 'r199.test/web' }))).toEqual(['u199']);
    const found = await ask(['many'], { image: 'r200.test/web' });
    expect(users(found)).toEqual([]);
    expect(problems(found)).toEqual(['too_many_entries']);
  });

  test('of matching credentials sixteen are kept', async () => {
    const paths = Array.from({ length: 100 }, (_, index) => `registry.test/${'t'.repeat(index)}`);
    secrets.put(
      'shop/many',
      dockerConfig(Object.fromEntries(paths.map((path, index) => [path, `u${index}`]))),
    );
    const image = `registry.test/${'t'.repeat(100)}`;
    const found = users(await ask(['many'], { image }));
    expect(found).toHaveLength(16);
    expect(found[0]).toBe('u99');
  });

  test('what is kept in memory is bounded by its size', async () => {
    const big = dockerConfig({ 'registry.test': 'x'.repeat(500_000) });
    for (let index = 0; index < 40; index += 1) {
      secrets.put(`shop/big-${index}`, big);
      await ask([`big-${index}`]);
    }
    const before = secrets.reads.length;
    await ask(['big-0']);
    await ask(['big-39']);
    expect(secrets.reads.slice(before)).toEqual(['shop/big-0']);
  });
});

async function fingerprint(names: readonly string[], namespace = 'shop', by = keychain): Promise<string> {
  return (await ask(names, { namespace, by })).identity.fingerprint;
}

/** The text of a docker config for registry.test. */
function pair(username: string, password: string): string {
  return JSON.stringify({ auths: { 'registry.test': { username, password } } });
}

describe('fingerprints', () => {
  beforeEach(() => {
    secrets.put('shop/ann', dockerConfig({ 'registry.test': 'ann' }));
    secrets.put('shop/bob', dockerConfig({ 'registry.test': 'bob' }));
    secrets.put('other/ann', dockerConfig({ 'registry.test/team': 'ann' }));
  });

  test('are one for the same credentials, wherever they come from', async () => {
    expect(await fingerprint(['ann'], 'other')).toBe(await fingerprint(['ann']));
  });

  test('differ where user, password or order differ', async () => {
    secrets.put('shop/ab-c', pair('ab', 'c'));
    secrets.put('shop/a-bc', pair('a', 'bc'));
    secrets.put('shop/a-b', pair('a', 'b'));
    const lists = [[], ['ann'], ['bob'], ['ann', 'bob'], ['bob', 'ann'], ['ab-c'], ['a-bc'], ['a-b']];
    const found = await Promise.all(lists.map((names) => fingerprint(names)));
    expect(new Set(found).size).toBe(lists.length);
  });

  test('tell nothing: another process has others for the same credentials', async () => {
    const other = new Keychain({ secrets, countCacheRequest: counts.count, now: clock.now });
    expect(await fingerprint(['ann'], 'shop', other)).not.toBe(await fingerprint(['ann']));
    expect(await fingerprint(['ann'])).toMatch(/^[\w-]{43}$/);
  });
});

test('nothing that a keychain hands out or holds can be printed with a secret in it', async () => {
  secrets.put('shop/regcred', dockerConfig({ 'registry.test': 'planted-user' }));
  const found = await ask(['regcred']);
  const options = { depth: Infinity, showHidden: true, getters: true };
  const printed = [JSON.stringify(found), inspect(found, options), inspect(keychain, options)].join();
  expect(printed).toContain('Secret regcred');
  expect(printed).not.toMatch(/planted-user|password-of|cGxhbnRlZC/);
});

test('reading a Secret is waiting for the API server, for whoever reads it and whoever shares that; a kept one costs no wait', async () => {
  secrets.put('shop/regcred', dockerConfig({ 'registry.test': 'user' }));
  const held = Promise.withResolvers<void>();
  secrets.before = () => held.promise;
  const credentialsFor = keychain.of({ namespace: 'shop', names: ['regcred'] });
  const asking = async (waits: Waits): Promise<unknown> =>
    credentialsFor(parseReference(IMAGE), noDeadline(), waits);
  const [first, second, third] = [0, 1, 2].map(() => new Waits(clock.now)) as [Waits, Waits, Waits];
  const reading = [asking(first)];
  await settle();
  clock.advance(30);
  reading.push(asking(second));
  await settle();
  clock.advance(10);
  held.resolve();
  await Promise.all(reading);
  await asking(third);
  expect([first.waited, second.waited, third.waited]).toEqual([
    { api: 40, registry: undefined },
    { api: 10, registry: undefined },
    { api: undefined, registry: undefined },
  ]);
});
