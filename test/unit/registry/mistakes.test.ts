import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { LookupFunction } from 'node:net';
import { gzipSync } from 'node:zlib';
import { imageManifest } from '../../../src/demo/oci-registry.ts';
import { digestOf } from '../../../src/image/digest.ts';
import { parseReference, hostOf } from '../../../src/image/reference.ts';
import { identityOf } from '../../support/credentials.ts';
import { GuardedRegistry } from '../../support/guarded-registry.ts';
import { LISTED, RegistryUnderTest } from '../../support/registry-under-test.ts';

// Mistakes that were seen in other clients, each with where: these must not come back here.

const IMAGE = 'shop/web:1.0';
const PATH = '/v2/shop/web/manifests/1.0';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

let guarded: GuardedRegistry;
const others: RegistryUnderTest[] = [];

beforeEach(async () => {
  guarded = await GuardedRegistry.start();
});
afterEach(async () => {
  await guarded.under.stop();
  for (const other of others.splice(0)) await other.stop();
});

async function another(...options: Parameters<typeof RegistryUnderTest.start>): Promise<RegistryUnderTest> {
  const other = await RegistryUnderTest.start(...options);
  others.push(other);
  return other;
}

/** A name server that gives these addresses for every name, and keeps the names. */
function nameServer(asked: string[], ...addresses: string[]): LookupFunction {
  return (name, _options, callback) => {
    asked.push(name);
    callback(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    );
  };
}

test('credentials are sent to no realm but the own host and those listed (CVE-2020-15157, CVE-2026-33540, ggcr#2193, jib#4523)', async () => {
  const thief = await another();
  guarded.realm = `http://${thief.registry.host}/token`;
  await guarded.under.failure(IMAGE, identityOf('ann'));
  expect(thief.seen).toEqual([]);
  expect(guarded.under.events.notices).toMatchObject([{ kind: 'credentials_withheld' }]);
});

test.each([['127.0.0.1'], ['10.0.0.1'], ['169.254.169.254'], ['0.0.0.0'], ['100.100.100.200']])(
  'names that lead to %s are closed, not only literals (ggcr#2440, ggcr#2284)',
  async (address) => {
    const under = await another({ lookup: nameServer([], address) });
    await expect(under.resolveAt('registry.test/shop/web:1.0')).rejects.toMatchObject({
      code: 'forbidden_address',
    });
  },
);

test('names are looked up once per connection, and absolutely: no rebinding, no search path', async () => {
  const asked: string[] = [];
  const under = await another({ lookup: nameServer(asked, '10.0.0.1') });
  await expect(under.resolveAt('kubernetes.default/shop/web:1.0')).rejects.toMatchObject({
    code: 'forbidden_address',
  });
  expect(asked).toEqual(['kubernetes.default.']);
});

test('redirects of token calls are not followed (ggcr#2292)', async () => {
  const { intercept } = guarded.under.registry;
  guarded.under.registry.intercept = (request, response) => {
    if (!request.url?.startsWith('/token')) return intercept?.(request, response);
    return void response.writeHead(302, { location: '/token/elsewhere' }).end();
  };
  expect((await guarded.under.failure(IMAGE)).code).toBe('invalid_answer');
  expect(guarded.under.asked.join()).not.toContain('elsewhere');
});

describe('the guard is on every path (docker/model-runner#1038): what is listed of one registry is not allowed', () => {
  let other: RegistryUnderTest;

  beforeEach(async () => {
    other = await another();
    await other.registry.push('shop/web', '1.0', 'of the other');
  });

  test('where it redirects to', async () => {
    const location = `http://${other.registry.host}${PATH}`;
    guarded.under.answer((response) => void response.writeHead(307, { location }).end());
    expect((await guarded.under.failure(IMAGE)).code).toBe('forbidden_address');
    expect(other.seen).toEqual([]);
  });

  test('where its tokens come from', async () => {
    guarded.realm = `http://${other.registry.host}/token`;
    expect((await guarded.under.failure(IMAGE)).code).toBe('forbidden_address');
    expect(other.seen).toEqual([]);
  });

  test('where another listed one is: that permission is for who asks it directly', async () => {
    await guarded.under.stop();
    guarded = await GuardedRegistry.start({ others: [{ ...LISTED, host: other.registry.host }] });
    const location = `http://${other.registry.host}${PATH}`;
    guarded.under.answer((response) => void response.writeHead(307, { location }).end());
    expect((await guarded.under.failure(IMAGE)).code).toBe('forbidden_address');
    await guarded.under.resolveAt(`${other.registry.host}/shop/web:1.0`);
    expect(other.seen).toHaveLength(1);
  });
});

test('a realm on another host works where it is listed, or Docker Hub would not (artifact-keeper#3591)', async () => {
  const tokens = await another();
  tokens.answer((response) => void response.writeHead(200).end('{"token":"token-of-ann"}'));
  await guarded.under.stop();
  guarded = await GuardedRegistry.start({ registry: { tokenHosts: [tokens.registry.host] } });
  guarded.realm = `http://${tokens.registry.host}/token`;
  guarded.allowed.add('ann');
  await guarded.under.resolve(IMAGE, identityOf('ann'));
  expect(tokens.seen).toHaveLength(1);
});

test('an unknown scheme in front is passed over, and Bearer preferred to Basic (prowler#12691, ren#41813, ggcr#1075)', async () => {
  guarded.allowed.add('ann');
  const { intercept } = guarded.under.registry;
  guarded.under.registry.intercept = (request, response) => {
    if (request.headers.authorization !== undefined || request.url?.startsWith('/token'))
      return intercept?.(request, response);
    const header = `Negotiate YII=, Basic realm="r", ${guarded.challenge}`;
    return void response.writeHead(401, { 'www-authenticate': header }).end();
  };
  await guarded.under.resolve(IMAGE, identityOf('ann'));
  expect(guarded.story).toEqual(['HEAD -', 'token ann', 'HEAD ann']);
});

test('a challenge without quotes is read (regclient#265)', async () => {
  guarded.allowed.add('anonymous');
  const { intercept } = guarded.under.registry;
  guarded.under.registry.intercept = (request, response) => {
    if (request.headers.authorization !== undefined || request.url?.startsWith('/token'))
      return intercept?.(request, response);
    const header = `Bearer realm=http://${guarded.under.registry.host}/token,service=registry`;
    return void response.writeHead(401, { 'www-authenticate': header }).end();
  };
  expect((await guarded.under.resolve(IMAGE)).digest).toBe(digestOf(Buffer.from(imageManifest('first'))));
});

test('neither a digest header nor HEAD is required (dist#3792, containerd#3238, docker-registry-util#3)', async () => {
  const body = imageManifest('odd');
  guarded.under.answer((response, method) => {
    if (method === 'HEAD') return void response.writeHead(405).end();
    return void response.writeHead(200, { 'content-type': MANIFEST }).end(body);
  });
  expect((await guarded.under.resolve(IMAGE)).digest).toBe(digestOf(Buffer.from(body)));
});

test.each([401, 403, 404, 408, 412, 429, 500, 503])(
  'a %d to HEAD is not followed by a GET, which would count as a pull (ggcr pkg/crane/digest.go)',
  async (status) => {
    guarded.under.answer((response) => void response.writeHead(status).end());
    await guarded.under.failure(IMAGE);
    expect(guarded.under.asked.filter((request) => request.startsWith('GET'))).toEqual([]);
  },
);

test('compressed bytes are not hashed (quay#1310)', async () => {
  guarded.under.answer((response, method) => {
    response.writeHead(200, { 'content-type': MANIFEST, 'content-encoding': 'gzip' });
    response.end(method === 'HEAD' ? undefined : gzipSync(imageManifest('odd')));
  });
  expect((await guarded.under.failure(IMAGE)).code).toBe('invalid_answer');
});

test('a bad secret does not break public images (containerd/cri#668)', async () => {
  guarded.allowed.add('anonymous');
  guarded.tokenFor = (user) => (user === 'anonymous' ? 'token-of-anonymous' : undefined);
  expect((await guarded.under.resolve(IMAGE, identityOf('bad'))).digest).toBe(
    digestOf(Buffer.from(imageManifest('first'))),
  );
});

test('the second matching credential is used as well (ggcr keychain.go)', async () => {
  guarded.allowed.add('bob');
  expect((await guarded.under.resolve(IMAGE, identityOf('ann', 'bob'))).digest).toBe(
    digestOf(Buffer.from(imageManifest('first'))),
  );
});

test('a token is not kept past its expiry (pulumi-docker#459, image-reflector-controller#71)', async () => {
  guarded.allowed.add('ann');
  await guarded.under.resolve(IMAGE, identityOf('ann'));
  guarded.under.clock.advance(60_000);
  await guarded.under.resolve(IMAGE, identityOf('ann'));
  expect(guarded.story.filter((line) => line === 'token ann')).toHaveLength(2);
});

test('scopes do not pile up: each token is for one repository (ggcr#1744)', async () => {
  guarded.allowed.add('ann');
  await guarded.under.registry.push('shop/api', '1.0', 'api');
  await guarded.under.resolve(IMAGE, identityOf('ann'));
  await guarded.under.resolve('shop/api:1.0', identityOf('ann'));
  const scopes = guarded.under.seen
    .filter(({ path }) => path.startsWith('/token'))
    .map(({ path }) => new URL(path, 'http://x').searchParams.getAll('scope'));
  expect(scopes).toEqual([['repository:shop/web:pull'], ['repository:shop/api:pull']]);
});

test('the host of an image is not guessed from the wrong part (diun#660)', () => {
  expect(hostOf(parseReference('docker.io/ghcr.io/shop/web'))).toBe('docker.io');
  expect(hostOf(parseReference('ghcr.io/docker.io/web'))).toBe('ghcr.io');
});

test('no authorization follows a redirect to another origin, even one that is trusted with tokens', async () => {
  const tokens = await another();
  await guarded.under.stop();
  guarded = await GuardedRegistry.start({ registry: { tokenHosts: [tokens.registry.host] } });
  guarded.scheme = 'basic';
  const location = `http://${tokens.registry.host}${PATH}`;
  guarded.under.answer((response) => {
    if (guarded.story.at(-1) === 'HEAD ann') response.writeHead(307, { location }).end();
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
  });
  await guarded.under.failure(IMAGE, identityOf('ann'));
  expect(tokens.seen).toHaveLength(1);
  expect(tokens.seen[0]?.headers.authorization).toBeUndefined();
});
