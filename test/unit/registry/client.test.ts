import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { imageManifest } from '../../../src/demo/oci-registry.ts';
import { digestOf } from '../../../src/image/digest.ts';
import { RegistryUnderTest } from '../../support/registry-under-test.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const PATH = '/v2/shop/web/manifests/1.0';

let under: RegistryUnderTest;
let digest: string;

beforeEach(async () => {
  under = await RegistryUnderTest.start();
  digest = await under.registry.push('shop/web', '1.0', 'first');
});
afterEach(async () => under.stop());

describe('a tag', () => {
  test('is resolved by one HEAD, without a probe of /v2/', async () => {
    expect(await under.resolve('shop/web:1.0')).toEqual({ digest, mediaType: MANIFEST });
    expect(under.asked).toEqual([`HEAD ${PATH}`]);
  });

  test('is asked for with all four media types of OCI and Docker, and no schema 1', async () => {
    await under.resolve('shop/web:1.0');
    const [request] = under.seen;
    expect(request?.headers.accept?.split(', ').toSorted()).toEqual([
      'application/vnd.docker.distribution.manifest.list.v2+json',
      'application/vnd.docker.distribution.manifest.v2+json',
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.oci.image.manifest.v1+json',
    ]);
    expect(request?.headers['user-agent']).toBe('samebytes-test');
    expect(request?.headers.authorization).toBeUndefined();
  });

  test('that moves means something else the next time: the client caches nothing', async () => {
    await under.resolve('shop/web:1.0');
    const second = await under.registry.push('shop/web', '1.0', 'second');
    expect(await under.resolve('shop/web:1.0')).toMatchObject({ digest: second });
  });
});

describe('where HEAD gives no digest, the raw bytes of a GET are hashed', () => {
  const body = imageManifest('odd');

  test.each([
    ['the header is missing', {}],
    ['the header is broken', { 'docker-content-digest': 'sha256:abc' }],
    ['the header has an algorithm of its own', { 'docker-content-digest': `md5:${'a'.repeat(32)}` }],
    ['it says octet-stream, as Artifactory does', { 'content-type': 'application/octet-stream' }],
  ])('because %s', async (_why, headers) => {
    under.answer((response, method) => {
      const type = method === 'HEAD' ? headers : {};
      response.writeHead(200, { 'content-type': MANIFEST, ...type });
      response.end(method === 'HEAD' ? undefined : body);
    });
    expect((await under.resolve('shop/web:1.0')).digest).toBe(digestOf(Buffer.from(body)));
    expect(under.asked).toEqual([`HEAD ${PATH}`, `GET ${PATH}`]);
  });

  test('and a digest header of that GET that lies is not believed', async () => {
    under.answer((response, method) => {
      if (method === 'HEAD') return response.writeHead(200, { 'content-type': MANIFEST }).end();
      return response.writeHead(200, { 'content-type': MANIFEST, 'docker-content-digest': digest }).end(body);
    });
    expect((await under.resolve('shop/web:1.0')).digest).toBe(digestOf(Buffer.from(body)));
  });

  test('and where HEAD is answered with 405, that is remembered of the registry', async () => {
    under.answer((response, method) => {
      if (method === 'HEAD') response.writeHead(405).end();
    });
    await under.resolve('shop/web:1.0');
    await under.resolve('shop/web:1.0');
    expect(under.asked).toEqual([`HEAD ${PATH}`, `GET ${PATH}`, `GET ${PATH}`]);
  });
});

describe('a status is a class', () => {
  test.each([
    [401, 'denied', false],
    [403, 'denied', false],
    [404, 'not_found', false],
    [408, 'throttled', true],
    [412, 'policy', false],
    [413, 'invalid_answer', false],
    [429, 'throttled', true],
    [499, 'unreachable', true],
    [500, 'unreachable', true],
    [503, 'unreachable', true],
    [204, 'invalid_answer', false],
  ])('%d is %s; worth another try later: %p', async (status, code, retryable) => {
    under.answer((response) => void response.writeHead(status).end());
    const error = await under.failure('shop/web:1.0');
    expect(error).toMatchObject({ code, status, registry: under.registry.host });
    expect(error.retryable).toBe(retryable);
  });

  test('what Retry-After asks for is kept', async () => {
    under.answer((response) => void response.writeHead(429, { 'retry-after': '7' }).end());
    expect((await under.failure('shop/web:1.0')).retryAfterMs).toBe(7_000);
  });
});

describe('an answer that no registry gives is an invalid answer', () => {
  const big = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');

  test.each<[string, Record<string, string>, string | Buffer]>([
    ['a page', { 'content-type': 'text/html; charset=utf-8' }, '<html>log in</html>'],
    ['no JSON', { 'content-type': MANIFEST }, 'no JSON'],
    ['an object that is no manifest', { 'content-type': MANIFEST }, '{"errors":[]}'],
    [
      'a manifest of an unknown type',
      { 'content-type': 'application/json' },
      '{"schemaVersion":2,"mediaType":"x"}',
    ],
    ['a compressed one', { 'content-type': MANIFEST, 'content-encoding': 'gzip' }, imageManifest('x')],
    ['more than 4 MiB', { 'content-type': MANIFEST }, big],
  ])('%s', async (_what, headers, body) => {
    under.answer((response, method) => {
      response.writeHead(200, headers).end(method === 'HEAD' ? undefined : body);
    });
    expect((await under.failure('shop/web:1.0')).code).toBe('invalid_answer');
  });

  test('no HTTP at all', async () => {
    under.answer((response) => void response.socket?.end('220 smtp ready\r\n'));
    expect((await under.failure('shop/web:1.0')).code).toBe('invalid_answer');
  });

  test('an endless body is cut off at the limit, not read for ever', async () => {
    let written = 0;
    under.answer((response, method) => {
      response.writeHead(200, { 'content-type': MANIFEST });
      if (method === 'HEAD') response.end();
      const chunk = Buffer.alloc(256 * 1024, ' ');
      const write = (): void => {
        while (!response.writableEnded && !response.destroyed && response.write(chunk))
          written += chunk.length;
      };
      response.on('drain', write);
      write();
    });
    expect((await under.failure('shop/web:1.0')).code).toBe('invalid_answer');
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('a broken connection is unreachable', () => {
  test('before the answer', async () => {
    under.answer((response) => void response.socket?.resetAndDestroy());
    expect((await under.failure('shop/web:1.0')).code).toBe('unreachable');
  });

  test('in the middle of the body', async () => {
    under.answer((response, method) => {
      response.writeHead(200, {
        'content-type': MANIFEST,
        ...(method === 'GET' && { 'content-length': '9999' }),
      });
      if (method === 'HEAD') response.end();
      else response.write('{', () => response.destroy());
    });
    expect((await under.failure('shop/web:1.0')).code).toBe('unreachable');
  });

  test('when nobody listens', async () => {
    await under.registry.stop();
    expect((await under.failure('shop/web:1.0')).code).toBe('unreachable');
  });

  test('but a signal that ends the waiting is that signal’s reason', async () => {
    const controller = new AbortController();
    const reason = new Error('the deadline');
    under.registry.intercept = async () => {
      controller.abort(reason);
      await new Promise(() => {});
    };
    const asking = under.resolve(
      'shop/web:1.0',
      { fingerprint: 'anonymous', credentials: [] },
      controller.signal,
    );
    await expect(asking).rejects.toBe(reason);
  });
});

describe('a redirect', () => {
  test('is followed', async () => {
    under.answer((response, _method, path) => {
      if (path === PATH) response.writeHead(307, { location: '/v2/other/web/manifests/1.0' }).end();
    });
    const other = await under.registry.push('other/web', '1.0', 'other');
    expect((await under.resolve('shop/web:1.0')).digest).toBe(other);
  });

  test('in a circle ends after three steps', async () => {
    under.answer((response) => void response.writeHead(302, { location: PATH }).end());
    expect((await under.failure('shop/web:1.0')).code).toBe('invalid_answer');
    expect(under.seen).toHaveLength(4);
  });

  test.each(['', 'ftp://host/x', 'http://user:password@host.example/x', 'file:///etc/passwd', 'http://['])(
    'to %j is not followed',
    async (location) => {
      under.answer((response) => void response.writeHead(302, { location }).end());
      expect((await under.failure('shop/web:1.0')).code).toBe('invalid_answer');
      expect(under.seen.length).toBeLessThanOrEqual(4);
    },
  );

  test('to an address that is closed is not followed, wherever the registry itself may lie', async () => {
    under.answer((response) => void response.writeHead(302, { location: 'http://169.254.169.254/x' }).end());
    expect((await under.failure('shop/web:1.0')).code).toBe('forbidden_address');
  });

  test('takes no token to another host, and no challenge from it', async () => {
    const other = await RegistryUnderTest.start();
    await under.stop();
    under = await RegistryUnderTest.start({ registry: { tokenHosts: [other.registry.host] } });
    other.answer((response) => {
      response
        .writeHead(401, { 'www-authenticate': `Bearer realm="http://${other.registry.host}/token"` })
        .end();
    });
    under.answer((response, _method, path) => {
      const host = under.registry.host;
      if (path.startsWith('/token')) return response.writeHead(200).end('{"token":"planted-secret"}');
      const { authorization } = under.registry.seen.at(-1)?.headers ?? {};
      if (authorization === undefined) {
        return response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
      }
      return response.writeHead(307, { location: `http://${other.registry.host}${PATH}` }).end();
    });
    expect((await under.failure('shop/web:1.0')).code).toBe('denied');
    expect(other.asked).toEqual([`HEAD ${PATH}`]);
    expect(JSON.stringify(other.seen)).not.toContain('planted-secret');
    await other.stop();
  });
});

test('every request is told to the metrics with method, code and registry', async () => {
  await under.resolve('shop/web:1.0');
  await under.failure('shop/web:none');
  await under.registry.stop();
  await under.failure('shop/web:1.0');
  const { host: registry } = under.registry;
  expect(under.events.requests).toMatchObject([
    { registry, method: 'HEAD', code: '200' },
    { registry, method: 'HEAD', code: '404' },
    // A kept connection that was cut, and the retry.
    ...under.events.requests.slice(2).map(() => ({ registry, method: 'HEAD', code: 'unreachable' })),
  ]);
  expect(under.events.requests.length).toBeGreaterThan(2);
});

test('questions that are too many to be sent are not told as requests that the registry failed', async () => {
  await under.resolve('shop/web:1.0');
  const asking = Array.from({ length: 2_000 }, async (_, index) => under.failure(`shop/web:no-${index}`));
  const failures = await Promise.all(asking);
  expect(failures.filter(({ asked }) => !asked).length).toBeGreaterThan(500);
  expect(under.events.requests.every(({ code }) => code === '200' || code === '404')).toBe(true);
  expect(under.events.requests).toHaveLength(under.seen.length);
});

test('a registry on a loopback or private address that nobody listed is not contacted', async () => {
  const [, port] = under.registry.host.split(':');
  for (const host of [
    `127.0.0.2:${port}`,
    `localhost:${port}`,
    '169.254.169.254',
    '10.0.0.1',
    '[::1]:5000',
  ]) {
    await expect(under.resolveAt(`${host}/shop/web:1.0`)).rejects.toMatchObject({
      code: 'forbidden_address',
    });
  }
  expect(under.seen).toHaveLength(0);
});
