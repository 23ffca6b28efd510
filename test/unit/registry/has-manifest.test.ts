import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/image/digest.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { RegistryError } from '../../../src/registry/errors.ts';
import { ANONYMOUS, type Identity } from '../../../src/registry/identity.ts';
import { identityOf } from '../../support/credentials.ts';
import { GuardedRegistry } from '../../support/guarded-registry.ts';
import { RegistryUnderTest } from '../../support/registry-under-test.ts';
import { noDeadline } from '../../support/signals.ts';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const DOWN_REPOSITORIES = ['shop/one', 'shop/two', 'shop/three'];

let under: RegistryUnderTest;
let digest: string;

beforeEach(async () => {
  under = await RegistryUnderTest.start();
  digest = await under.registry.push('shop/web', '1.0', 'first');
});
afterEach(async () => under.stop());

async function has(
  repository = 'shop/web',
  identity: Identity = ANONYMOUS,
  by: RegistryUnderTest = under,
): Promise<boolean | string> {
  const reference = parseReference(`${by.registry.host}/${repository}:1.0`);
  try {
    return await by.client.hasManifest(reference, digest, identity, noDeadline());
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return error.asked ? error.code : `not asked: ${error.code}`;
  }
}

/** From now on a HEAD is answered with this. */
function answerHead(status: number, headers: Record<string, string> = {}): void {
  under.answer((response) => void response.writeHead(status, headers).end());
}

describe('whether a manifest is there', () => {
  test('is asked by one HEAD for the digest, whatever the tag means by now', async () => {
    await under.registry.push('shop/web', '1.0', 'second');
    expect(await has()).toBe(true);
    expect(under.asked).toEqual([`HEAD /v2/shop/web/manifests/${digest}`]);
  });

  test('is no longer true once the manifest was deleted, and true again once it was pushed again', async () => {
    await under.registry.delete('shop/web', digest);
    expect(await has()).toBe(false);
    await under.registry.push('shop/web', '1.0', 'first');
    expect(await has()).toBe(true);
  });

  test('is not true in a repository that is not there', async () => {
    expect(await has('shop/nothing')).toBe(false);
  });

  test.each([
    ['JSON', JSON_TYPE],
    ['problem+json', { 'content-type': 'application/problem+json' }],
    ['the version of old registries', { 'docker-distribution-api-version': 'registry/2.0' }],
  ])('is denied by a 404 that a registry wrote: %s', async (_what, headers) => {
    answerHead(404, headers);
    expect(await has()).toBe(false);
  });

  test.each([
    ['a 404 of an ingress without its backend', 404, { 'content-type': 'text/html' }, 'invalid_answer'],
    ['a 404 without a word', 404, {}, 'invalid_answer'],
    ['401', 401, JSON_TYPE, 'denied'],
    ['403', 403, JSON_TYPE, 'denied'],
    ['412', 412, JSON_TYPE, 'policy'],
    ['429', 429, JSON_TYPE, 'throttled'],
    ['503', 503, JSON_TYPE, 'unreachable'],
    ['405', 405, JSON_TYPE, 'invalid_answer'],
    ['a page', 200, { 'content-type': 'text/html' }, 'invalid_answer'],
    [
      'another digest',
      200,
      {
        'content-type': 'application/vnd.oci.image.manifest.v1+json',
        'content-length': '2',
        'docker-content-digest': digestOf(Buffer.from('x')),
      },
      'invalid_answer',
    ],
  ])('is left open by %s', async (_what, status, headers, code) => {
    answerHead(status, headers);
    expect(await has()).toBe(code);
    expect(under.asked.filter((line) => line.startsWith('GET'))).toEqual([]);
  });

  test('is left open by a registry that is known not to answer HEAD: a GET may count as a pull', async () => {
    under.answer((response, method) => method === 'HEAD' && response.writeHead(405).end());
    await under.resolve('shop/web:1.0');
    under.registry.seen.length = 0;
    expect(await has()).toBe('not asked: invalid_answer');
    expect(under.asked).toEqual([]);
  });
});

describe('admissions go first', () => {
  test('failures of these questions open no breaker', async () => {
    answerHead(503);
    for (let times = 0; times < 5; times += 1) for (const name of DOWN_REPOSITORIES) await has(name);
    answerHead(429, { 'retry-after': '60' });
    await has();
    under.registry.intercept = undefined;
    expect(await under.resolve('shop/web:1.0')).toMatchObject({ digest });
  });

  test('while a breaker is open nothing is asked, also when its time is up: the probe is for an admission', async () => {
    answerHead(503);
    for (const name of DOWN_REPOSITORIES) await under.failure(`${name}:1.0`);
    under.registry.intercept = undefined;
    under.registry.seen.length = 0;
    expect(await has()).toBe('not asked: unreachable');
    under.clock.advance(60_000);
    expect(await has()).toBe('not asked: unreachable');
    expect(under.asked).toEqual([]);
    expect(await under.resolve('shop/web:1.0')).toMatchObject({ digest });
    expect(await has()).toBe(true);
  });

  test('a breaker that no admission has asked after for long is asked, and closes if the registry is back', async () => {
    answerHead(503);
    for (const name of DOWN_REPOSITORIES) await under.failure(`${name}:1.0`);
    under.clock.advance(6 * 60_000);
    expect(await has()).toBe('unreachable');
    const { host } = under.registry;
    expect(under.events.breakers).toEqual([[host, 1]]);
    under.registry.intercept = undefined;
    expect(await has()).toBe(true);
    expect(under.events.breakers).toEqual([
      [host, 1],
      [host, -1],
    ]);
  });

  test('where hardly any pulls are left nothing is asked', async () => {
    under.registry.intercept = (_request, response) =>
      void response.setHeader('ratelimit-remaining', '3;w=21600');
    await under.resolve('shop/web:1.0');
    under.registry.seen.length = 0;
    expect(await has()).toBe('not asked: throttled');
    expect(under.asked).toEqual([]);
  });
});

describe('with credentials', () => {
  let guarded: GuardedRegistry;

  beforeEach(async () => {
    guarded = await GuardedRegistry.start();
    guarded.allowed = new Set(['ann']);
  });
  afterEach(async () => guarded.under.stop());

  const ask = (...names: string[]): Promise<boolean | string> =>
    has('shop/web', identityOf(...names), guarded.under);

  test('whoever may pull gets an answer, whichever it is', async () => {
    expect(await ask('ann')).toBe(true);
    guarded.under.registry.intercept = undefined;
    await guarded.under.registry.delete('shop/web', digest);
    expect(await ask('ann')).toBe(false);
  });

  test('a 404 to one counts for nothing where another one was refused: that may be who pulled it', async () => {
    guarded.scheme = 'basic';
    const { intercept } = guarded.under.registry;
    guarded.under.registry.intercept = async (request, response) => {
      await intercept?.(request, response);
      if (!response.headersSent && request.method === 'HEAD') response.writeHead(404, JSON_TYPE).end();
    };
    expect(await ask('ann')).toBe(false);
    expect(await ask('bob', 'ann')).toBe('not_found');
    expect(await ask('bob')).toBe('denied');
  });
});
