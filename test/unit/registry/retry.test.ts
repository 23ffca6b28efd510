import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RegistryUnderTest } from '../../support/registry-under-test.ts';

const IMAGE = 'shop/web:1.0';

let under: RegistryUnderTest;
let digest: string;

beforeEach(async () => {
  under = await RegistryUnderTest.start();
  digest = await under.registry.push('shop/web', '1.0', 'first');
});
afterEach(async () => under.stop());

describe('a request is sent once more', () => {
  test.each([499, 500, 502, 503, 504, 522])('after a %d, with a pause between', async (status) => {
    under.answer((response) => {
      if (under.seen.length === 1) response.writeHead(status).end();
    });
    expect((await under.resolve(IMAGE)).digest).toBe(digest);
    expect(under.pauses).toEqual([110]);
  });

  test('after a connection that was cut, as a kept one may be that has gone stale', async () => {
    under.answer((response) => {
      if (under.seen.length === 1) response.socket?.resetAndDestroy();
    });
    expect((await under.resolve(IMAGE)).digest).toBe(digest);
  });

  test('and not a third time', async () => {
    under.answer((response) => void response.writeHead(500).end());
    expect((await under.failure(IMAGE)).code).toBe('unreachable');
    expect(under.seen).toHaveLength(2);
  });

  test('also to the token server', async () => {
    under.answer((response, _method, path) => {
      const { host } = under.registry;
      const tokenCalls = under.seen.filter((seen) => seen.path.startsWith('/token')).length;
      if (path.startsWith('/token'))
        return response.writeHead(tokenCalls === 1 ? 503 : 200).end('{"token":"good"}');
      if (under.seen.at(-1)?.headers.authorization === 'Bearer good') return undefined;
      return response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
    });
    expect((await under.resolve(IMAGE)).digest).toBe(digest);
  });
});

describe('a request is not sent again', () => {
  test.each([400, 401, 403, 404, 408, 412, 429])('after a %d', async (status) => {
    under.answer((response, method) => {
      if (method === 'HEAD') response.writeHead(status).end();
    });
    await under.resolve(IMAGE).catch(() => {});
    expect(under.asked.filter((request) => request.startsWith('HEAD'))).toHaveLength(1);
    expect(under.pauses).toEqual([]);
  });

  test('where the server says when to come back', async () => {
    under.answer((response) => void response.writeHead(503, { 'retry-after': '120' }).end());
    await under.failure(IMAGE);
    expect(under.seen).toHaveLength(1);
  });
});

test('requests of all kinds share kept connections', async () => {
  const connections = new Set<unknown>();
  under.answer((response) => void connections.add(response.socket));
  for (let index = 0; index < 20; index += 1) await under.resolve(IMAGE);
  // A second one may be opened while the first is still being tidied up after its answer.
  expect(connections.size).toBeLessThanOrEqual(2);
});

describe('a registry that fails again and again', () => {
  test('is not asked for a while, and then answers again', async () => {
    await under.registry.push('shop/api', '1.0', 'api');
    under.answer((response) => void response.writeHead(500).end());
    for (const image of ['shop/web:1.0', 'shop/api:1.0', 'shop/web:1.0']) await under.failure(image);
    const before = under.seen.length;
    expect(await under.failure('shop/other:1.0')).toMatchObject({ code: 'unreachable', asked: false });
    expect(under.seen).toHaveLength(before);
    under.registry.intercept = undefined;
    under.clock.advance(5_000);
    expect((await under.resolve(IMAGE)).digest).toBe(digest);
  });

  test('and throttles is left alone for as long as it says', async () => {
    under.answer((response) => void response.writeHead(429, { 'retry-after': '60' }).end());
    expect((await under.failure(IMAGE)).retryAfterMs).toBe(60_000);
    under.registry.intercept = undefined;
    under.clock.advance(59_000);
    expect(await under.failure(IMAGE)).toMatchObject({ code: 'throttled', asked: false });
    under.clock.advance(1_000);
    expect((await under.resolve(IMAGE)).digest).toBe(digest);
  });

  test('with 401 and 404 is asked each time', async () => {
    for (const status of [401, 404]) {
      under.answer((response) => void response.writeHead(status).end());
      for (let index = 0; index < 10; index += 1) await under.failure(IMAGE);
    }
    expect(under.seen).toHaveLength(20);
  });
});
