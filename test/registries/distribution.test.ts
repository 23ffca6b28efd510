import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { parseReference } from '../../src/image/reference.ts';
import type { RegistryClient } from '../../src/registry/client.ts';
import { createClient } from '../../src/registry/create-client.ts';
import type { RegistryOptions } from '../../src/registry/endpoint.ts';
import { ANONYMOUS, type Identity } from '../../src/registry/identity.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { credentialOf, identityOf } from '../support/credentials.ts';
import { CacheCounts } from '../support/counted.ts';
import { LISTED } from '../support/registry-under-test.ts';
import { SeenEvents } from '../support/seen-events.ts';
import { noDeadline } from '../support/signals.ts';
import { TokenServer } from '../support/token-server.ts';

// The distribution project's registry in its own process, as people run it.

jest.setTimeout(60_000);

const HTPASSWD = [
  'ann:$2y$05$abcdefghijklmnopqrstuu2IQKBjLaH48D/32j2ZV8pOQYlZG3roe',
  'bob:$2y$05$abcdefghijklmnopqrstuulNbVcQ.fGMp0r/EKBz3VCJyG3dmHNda',
].join('\n');

let directory: string;
let registry: DistributionRegistry;
let digest: string;
let index: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'samebytes-registries-'));
  registry = await DistributionRegistry.start();
  digest = await registry.push('shop/web', '1.0', 'first');
  ({ digest: index } = await registry.pushIndex('shop/multi', '1.0', 'many', ['amd64', 'arm64']));
  await registry.stop();
});
afterAll(async () => {
  await registry.remove();
  await rm(directory, { recursive: true, force: true });
});

let events: SeenEvents;
const closing: (() => Promise<void>)[] = [];

beforeEach(() => {
  events = new SeenEvents();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await registry.stop();
});

type Resolve = (image: string, identity?: Identity) => Promise<string>;

/** The client of the product for this registry, listed like this. */
function clientFor(options: Partial<RegistryOptions> = {}): RegistryClient {
  const { client, close } = createClient({
    registries: [{ ...LISTED, host: registry.host, ...options }],
    userAgent: 'samebytes-test',
    deadlineMs: 10_000,
    countCacheRequest: new CacheCounts().count,
    events,
    retry: { random: () => 0, wait: async () => {} },
    now: () => performance.now(),
  });
  closing.push(close);
  return client;
}

function resolver(options: Partial<RegistryOptions> = {}): Resolve {
  const client = clientFor(options);
  return async (image, identity = ANONYMOUS) => {
    const reference = parseReference(`${registry.host}/${image}`);
    return (await client.resolveTag(reference, identity, noDeadline())).digest;
  };
}

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

/** Whether the registry has these digests, as its client understands it. */
async function has(
  repository: string,
  digests: readonly string[],
  identity: Identity = ANONYMOUS,
): Promise<boolean[]> {
  const client = clientFor();
  const reference = parseReference(`${registry.host}/${repository}`);
  return Promise.all(digests.map((one) => client.hasManifest(reference, one, identity, noDeadline())));
}

describe('the distribution registry, open', () => {
  beforeEach(async () => registry.start());

  test('says what a tag means, by one HEAD; of an image for several platforms the index', async () => {
    const resolve = resolver();
    expect(await resolve('shop/web:1.0')).toBe(digest);
    expect(await resolve('shop/multi:1.0')).toBe(index);
    expect(events.requests.map(({ method, code }) => `${method} ${code}`)).toEqual(['HEAD 200', 'HEAD 200']);
  });

  test('is not asked where it is not listed, since it is on this machine', async () => {
    const resolve = resolver({ host: 'another.test' });
    await expect(resolve('shop/web:1.0')).rejects.toMatchObject({ code: 'forbidden_address' });
    expect(registry.manifestRequests).toHaveLength(2);
  });

  test('knows no other tag', async () => {
    await expect(resolver()('shop/web:2.0')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('says of a digest whether it is there, by one HEAD, and so of a repository that is not', async () => {
    const gone = `sha256:${'0'.repeat(64)}`;
    expect(await has('shop/web', [digest, gone])).toEqual([true, false]);
    expect(await has('shop/nothing', [digest])).toEqual([false]);
    const codes = events.requests.map(({ method, code }) => `${method} ${code}`);
    expect(codes.toSorted()).toEqual(['HEAD 200', 'HEAD 404', 'HEAD 404']);
  });
});

describe('the distribution registry with htpasswd', () => {
  beforeEach(async () => {
    const path = await file('htpasswd', HTPASSWD);
    await registry.start({ auth: { htpasswd: { realm: 'registry', path } } });
  });

  test('lets a user in, and is asked with the user at once the next time', async () => {
    const resolve = resolver();
    expect(await resolve('shop/web:1.0', identityOf('ann'))).toBe(digest);
    expect(await resolve('shop/multi:1.0', identityOf('ann'))).toBe(index);
    expect(events.requests.map(({ code }) => code)).toEqual(['401', '200', '200']);
  });

  test('lets the second of two users in, where the first has a wrong password', async () => {
    const wrong = credentialOf('ann', { secret: 'wrong', fingerprint: 'wrong ann' });
    expect(await resolver()('shop/web:1.0', identityOf(wrong, 'bob'))).toBe(digest);
  });

  test('refuses strangers', async () => {
    await expect(resolver()('shop/web:1.0', identityOf('eve'))).rejects.toMatchObject({
      code: 'denied',
      tried: ['Secret eve', 'anonymous'],
    });
  });
});

describe('the distribution registry with a token server', () => {
  let tokens: TokenServer;

  beforeEach(async () => {
    tokens = await TokenServer.start();
    tokens.rights.set('ann', ['shop/web']);
    tokens.rights.set('bob', ['shop/multi']);
    tokens.rights.set('anonymous', []);
    const jwks = await file('keys.json', tokens.keys);
    await registry.start({ auth: { token: tokens.settings(jwks) } });
  });
  afterEach(async () => tokens.stop());

  test('lets users in with tokens for one repository each', async () => {
    const resolve = resolver({ tokenHosts: [tokens.host] });
    const both = identityOf('ann', 'bob');
    expect(await resolve('shop/web:1.0', both)).toBe(digest);
    expect(await resolve('shop/multi:1.0', both)).toBe(index);
    expect(tokens.asked).toEqual([
      'ann repository:shop/web:pull',
      'ann repository:shop/multi:pull',
      'bob repository:shop/multi:pull',
    ]);
  });

  test('says that a tag is not there only to who may know', async () => {
    const resolve = resolver({ tokenHosts: [tokens.host] });
    await expect(resolve('shop/web:2.0', identityOf('ann', 'bob'))).rejects.toMatchObject({
      code: 'not_found',
      tried: ['Secret ann'],
    });
    await expect(resolve('shop/web:2.0', identityOf('bob'))).rejects.toMatchObject({
      code: 'denied',
      tried: ['Secret bob', 'anonymous'],
    });
  });

  test('lets anybody in where the token server does', async () => {
    tokens.rights.set('anonymous', ['shop/web']);
    expect(await resolver({ tokenHosts: [tokens.host] })('shop/web:1.0')).toBe(digest);
  });

  test('gets no credentials to its token server where the operator did not list that', async () => {
    await expect(resolver()('shop/web:1.0', identityOf('ann'))).rejects.toMatchObject({
      code: 'forbidden_address',
    });
    expect(tokens.asked).toEqual([]);
    expect(events.notices).toMatchObject([{ kind: 'credentials_withheld', subject: tokens.host }]);
  });
});

describe('the distribution registry behind TLS', () => {
  let ca: string;

  async function start(notBefore: Date): Promise<void> {
    const issued = await issueCertificates({ names: ['localhost', '127.0.0.1'], notBefore, validDays: 1 });
    ca = issued.ca.cert;
    const certificate = await file('tls.crt', issued.serving.cert);
    await registry.start({ tls: { certificate, key: await file('tls.key', issued.serving.key) } });
  }

  test('of a private authority is trusted with that authority', async () => {
    await start(new Date());
    expect(await resolver({ insecure: false, ca })('shop/web:1.0')).toBe(digest);
  });

  test('is not trusted without it', async () => {
    await start(new Date());
    await expect(resolver({ insecure: false })('shop/web:1.0')).rejects.toMatchObject({
      code: 'certificate',
      message: `the certificate of ${registry.host} is of no trusted authority`,
    });
  });

  test('is not trusted when its certificate has expired, and that is what is said', async () => {
    await start(new Date(Date.now() - 48 * 60 * 60 * 1000));
    await expect(resolver({ insecure: false, ca })('shop/web:1.0')).rejects.toMatchObject({
      code: 'certificate',
      message: `the certificate of ${registry.host} has expired`,
    });
  });
});
