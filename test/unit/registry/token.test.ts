import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { RegistryUnderTest } from '../../support/registry-under-test.ts';

let under: RegistryUnderTest;
let digest: string;
/** What the token server answers with. */
let tokenBody: string;
let tokenStatus: number;
/** Tokens that the registry takes. */
let valid: Set<string>;
let realm: string;
let challenge: () => string;

beforeEach(async () => {
  under = await RegistryUnderTest.start();
  digest = await under.registry.push('shop/web', '1.0', 'first');
  await under.registry.push('shop/api', '1.0', 'api');
  tokenStatus = 200;
  tokenBody = JSON.stringify({ token: 'good', expires_in: 300 });
  valid = new Set(['good']);
  realm = `http://${under.registry.host}/token`;
  challenge = () => `Bearer realm="${realm}",service="registry.example",scope="repository:evil:pull,push"`;
  under.answer(answer);
});
afterEach(async () => under.stop());

function answer(response: ServerResponse, _method: string, path: string): void {
  if (path.startsWith('/token')) return void response.writeHead(tokenStatus).end(tokenBody);
  const token = under.registry.seen.at(-1)?.headers.authorization?.replace('Bearer ', '');
  if (token !== undefined && valid.has(token)) return;
  response.writeHead(401, { 'www-authenticate': challenge() }).end();
}

const tokenRequests = (): string[] => under.asked.filter((request) => request.includes('/token'));

describe('a registry that asks for a token', () => {
  test('gets one from its token server, asked for this repository and pull only', async () => {
    expect((await under.resolve('shop/web:1.0')).digest).toBe(digest);
    expect(under.asked).toEqual([
      'HEAD /v2/shop/web/manifests/1.0',
      'GET /token?service=registry.example&scope=repository%3Ashop%2Fweb%3Apull',
      'HEAD /v2/shop/web/manifests/1.0',
    ]);
  });

  test('is asked with that token at once the next time', async () => {
    await under.resolve('shop/web:1.0');
    await under.resolve('shop/web:1.0');
    expect(tokenRequests()).toHaveLength(1);
    expect(under.asked).toHaveLength(4);
    expect(under.counts.of('token', 'hit')).toBe(1);
  });

  test('is asked with a token of its own for every repository, without another challenge', async () => {
    await under.resolve('shop/web:1.0');
    await under.resolve('shop/api:1.0');
    expect(tokenRequests()).toHaveLength(2);
    expect(under.asked.filter((request) => request.startsWith('HEAD'))).toHaveLength(3);
  });

  test('is asked with one token by all who ask at once', async () => {
    await under.resolve('shop/api:1.0');
    await Promise.all(Array.from({ length: 20 }, async () => under.resolve('shop/web:1.0')));
    expect(tokenRequests()).toHaveLength(2);
    expect(under.counts.of('token', 'coalesced')).toBe(19);
  });

  test.each([
    [300, 269, 271],
    [100, 89, 91],
    [0, 53, 55],
    [-5, 53, 55],
    [1e9, 3569, 3571],
  ])('gets a new one shortly before the old one ends (expires_in %d)', async (lifeSeconds, still, over) => {
    tokenBody = JSON.stringify({ token: 'good', expires_in: lifeSeconds });
    await under.resolve('shop/web:1.0');
    under.clock.advance(still * 1000);
    await under.resolve('shop/web:1.0');
    expect(tokenRequests()).toHaveLength(1);
    under.clock.advance((over - still) * 1000);
    await under.resolve('shop/web:1.0');
    expect(tokenRequests()).toHaveLength(2);
  });

  test('gets a new one when it takes the old one no more', async () => {
    await under.resolve('shop/web:1.0');
    valid = new Set(['newer']);
    tokenBody = JSON.stringify({ token: 'newer' });
    expect((await under.resolve('shop/web:1.0')).digest).toBe(digest);
    expect(tokenRequests()).toHaveLength(2);
  });

  test('gets a new one also where it answers a stale one with Basic only, as Harbor does', async () => {
    await under.resolve('shop/web:1.0');
    valid = new Set(['newer']);
    tokenBody = JSON.stringify({ token: 'newer' });
    const bearer = challenge();
    challenge = () =>
      under.registry.seen.at(-1)?.headers.authorization === undefined ? bearer : 'Basic realm="harbor"';
    expect((await under.resolve('shop/web:1.0')).digest).toBe(digest);
  });

  test('that refuses a new token has denied us, and is not asked on and on', async () => {
    valid = new Set();
    expect((await under.failure('shop/web:1.0')).code).toBe('denied');
    expect(under.asked).toHaveLength(3);
  });

  test('in Basic only has denied us after one question', async () => {
    challenge = () => 'Basic realm="registry"';
    expect((await under.failure('shop/web:1.0')).code).toBe('denied');
    expect(under.asked).toHaveLength(1);
  });
});

describe('a token is read', () => {
  test.each([
    ['from access_token', '{"access_token":"good"}'],
    ['from token, where both are there', '{"token":"good","access_token":"other"}'],
    ['from access_token, where token is empty', '{"token":"","access_token":"good"}'],
    ['with a life that is text', '{"token":"good","expires_in":"300"}'],
    ['with a life that is nonsense', '{"token":"good","expires_in":{}}'],
  ])('%s', async (_how, body) => {
    tokenBody = body;
    expect((await under.resolve('shop/web:1.0')).digest).toBe(digest);
  });

  test.each([
    ['a page', '<html>log in</html>'],
    ['no token', '{}'],
    ['null', 'null'],
    ['a list', '["good"]'],
    ['a number', '{"token":5}'],
    ['a line break in it, which would split the header', '{"token":"good\\r\\nx: y"}'],
    ['a blank in it', '{"token":"good good"}'],
    ['more than 16 KiB of it', JSON.stringify({ token: 'x'.repeat(16 * 1024 + 1) })],
    ['more than 128 KiB around it', JSON.stringify({ token: 'good', padding: 'x'.repeat(128 * 1024) })],
  ])('not from %s', async (_what, body) => {
    tokenBody = body;
    expect((await under.failure('shop/web:1.0')).code).toBe('invalid_answer');
  });

  test.each([
    [401, 'denied'],
    [403, 'denied'],
    [400, 'denied'],
    [404, 'denied'],
    [429, 'throttled'],
    [500, 'unreachable'],
    [302, 'invalid_answer'],
  ])('not from an answer with status %d, which is %s', async (status, code) => {
    tokenStatus = status;
    expect((await under.failure('shop/web:1.0')).code).toBe(code);
  });
});

describe('a realm', () => {
  test.each([
    'token',
    '/token',
    '',
    'ftp://t.example/token',
    'file:///etc/passwd',
    'http://user:password@t.example/token',
    'https://t.example/token#fragment',
    'javascript:alert(1)',
  ])('%j is not used', async (text) => {
    realm = text;
    expect((await under.failure('shop/web:1.0')).code).toBe('invalid_answer');
    expect(under.asked).toHaveLength(1);
  });

  test('at a metadata address is not contacted', async () => {
    realm = 'http://169.254.169.254/token';
    expect((await under.failure('shop/web:1.0')).code).toBe('forbidden_address');
    expect(under.asked).toHaveLength(1);
  });

  test('keeps its own query', async () => {
    realm = `http://${under.registry.host}/token?account=x`;
    await under.resolve('shop/web:1.0');
    expect(tokenRequests()[0]).toContain('/token?account=x&service=registry.example&scope=');
  });
});

test('no error says the token', async () => {
  tokenBody = JSON.stringify({ token: 'planted-secret' });
  const error = await under.failure('shop/web:1.0');
  expect(`${String(error)} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain('planted-secret');
});
