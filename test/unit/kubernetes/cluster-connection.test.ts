import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type RequestListener, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { CoreV1Api, type Cluster, type User } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import { ClusterConnection } from '../../../src/kubernetes/cluster-connection.ts';
import { MetadataApi } from '../../../src/kubernetes/metadata-api.ts';
import { endingWith } from '../../../src/kubernetes/request-options.ts';
import { FakeClock } from '../../support/clock.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';

const EMPTY_LIST = JSON.stringify({ apiVersion: 'v1', kind: 'PodList', metadata: {}, items: [] });
let directory: string;
let server: Server;
let answer: RequestListener;
let connections: number;
/** The Authorization headers that came, in order. */
let authorizations: (string | undefined)[];
let clock: FakeClock;
let cluster: ClusterConnection;

function file(name: string): string {
  return join(directory, name);
}

/** A new authority and serving certificate; the server uses it, and the CA file names it. */
async function renew(): Promise<{ key: string; cert: string }> {
  const { ca, serving } = await issueCertificates({
    names: ['127.0.0.1'],
    notBefore: new Date(),
    validDays: 1,
  });
  writeFileSync(file('ca.crt'), ca.cert);
  return serving;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'samebytes-connection-'));
  connections = 0;
  authorizations = [];
  answer = (_request, response) =>
    void response.setHeader('content-type', 'application/json').end(EMPTY_LIST);
  server = createServer(await renew(), (request, response) => {
    authorizations.push(request.headers.authorization);
    answer(request, response);
  });
  server.on('secureConnection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  clock = new FakeClock();
  cluster = new ClusterConnection({ now: clock.now });
  writeFileSync(file('token'), 'first\n');
  // As in a cluster.
  cluster.loadFromClusterAndUser(
    {
      name: 'c',
      caFile: file('ca.crt'),
      server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      skipTLSVerify: false,
    },
    { name: 'u', authProvider: { name: 'tokenFile', config: { tokenFile: file('token') } } },
  );
});

afterEach(async () => {
  server.closeAllConnections();
  await cluster.close();
  await once(server.close(), 'close');
  rmSync(directory, { recursive: true });
});

/** A call by the generated client. A connection is free a moment after its answer is read. */
async function call(signal = noDeadline()): Promise<void> {
  await cluster.makeApiClient(CoreV1Api).listNamespacedPod({ namespace: 'shop' }, endingWith(signal));
  await settle();
}

describe('connections', () => {
  test('are kept: fifty calls after each other make one, by whichever client', async () => {
    const metadata = new MetadataApi(cluster);
    for (let round = 0; round < 25; round += 1) {
      await call();
      await metadata.list('/pins', noDeadline());
      await settle();
    }
    expect({ connections, requests: authorizations.length }).toEqual({ connections: 1, requests: 50 });
  });

  test('are bounded: of a hundred calls at once, the rest waits for those under way', async () => {
    const held: (() => void)[] = [];
    const reached = Promise.withResolvers<void>();
    answer = (_request, response) => {
      held.push(() => response.setHeader('content-type', 'application/json').end(EMPTY_LIST));
      if (held.length === 16) reached.resolve();
    };
    const calls = Promise.all(Array.from({ length: 100 }, () => call()));
    await reached.promise;
    answer = (_request, response) =>
      void response.setHeader('content-type', 'application/json').end(EMPTY_LIST);
    for (const release of held) release();
    await calls;
    expect({ connections, requests: authorizations.length }).toEqual({ connections: 16, requests: 100 });
  });

  test('are not wanted back from a call that was given up', async () => {
    answer = () => {};
    const given = new AbortController();
    server.once('request', () => given.abort(new Error('enough')));
    await expect(call(given.signal)).rejects.toThrow('enough');
    answer = (_request, response) =>
      void response.setHeader('content-type', 'application/json').end(EMPTY_LIST);
    await call();
    expect(authorizations).toHaveLength(2);
  });

  test.each([
    ['begins', () => {}, 'UND_ERR_HEADERS_TIMEOUT'],
    ['goes on', (response: ServerResponse) => void response.write('{'), 'UND_ERR_BODY_TIMEOUT'],
  ])('fail where no answer %s, also where nobody set a deadline', async (_what, begin, code) => {
    const { clusters, users } = cluster;
    cluster = new ClusterConnection({ now: clock.now, answerTimeoutMs: 50 });
    cluster.loadFromClusterAndUser(clusters[0] as Cluster, users[0] as User);
    answer = (_request, response) => begin(response);
    await expect(call()).rejects.toMatchObject({ code });
  });

  test('are all closed in the end', async () => {
    const closed = Promise.withResolvers<void>();
    server.once('secureConnection', (socket) => socket.once('close', () => closed.resolve()));
    await call();
    await cluster.close();
    await expect(closed.promise).resolves.toBeUndefined();
  });
});

describe('files are read again in ten seconds, and not for every call', () => {
  test('a token that was replaced is used, on the same connection', async () => {
    await call();
    writeFileSync(file('token'), 'second');
    await call();
    clock.advance(10_000);
    await call();
    expect(authorizations).toEqual(['Bearer first', 'Bearer first', 'Bearer second']);
    expect(connections).toBe(1);
  });

  test('a new authority is trusted, the old one no more, and the connections that trusted that one go', async () => {
    const closed = Promise.withResolvers<void>();
    server.once('secureConnection', (socket) => socket.once('close', () => closed.resolve()));
    await call();
    server.setSecureContext(await renew());
    clock.advance(10_000);
    await call();
    expect(connections).toBe(2);
    await renew();
    clock.advance(10_000);
    await expect(call()).rejects.toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    await closed.promise;
  });

  test('what cannot be read stays as it was, and is found again later', async () => {
    await call();
    rmSync(file('token'));
    clock.advance(10_000);
    await call();
    writeFileSync(file('token'), 'second');
    clock.advance(10_000);
    await call();
    expect(authorizations).toEqual(['Bearer first', 'Bearer first', 'Bearer second']);
  });

  test('many calls at once read them once, and none goes without', async () => {
    await Promise.all(Array.from({ length: 20 }, () => call()));
    expect(new Set(authorizations)).toEqual(new Set(['Bearer first']));
  });

  test('files that were never readable are an error, until they are', async () => {
    rmSync(file('ca.crt'));
    await expect(call()).rejects.toThrow(/ENOENT/);
    server.setSecureContext(await renew());
    await call();
    expect(authorizations).toEqual(['Bearer first']);
  });
});

test('a user with a password is one by basic authentication, a static token goes along', async () => {
  const { server: url = '' } = cluster.getCurrentCluster() ?? {};
  const entry = { name: 'c', caFile: file('ca.crt'), server: url, skipTLSVerify: false };
  for (const user of [
    { name: 'u', username: 'a', password: 'b' },
    { name: 'u', token: 'static' },
  ]) {
    await cluster.close();
    cluster = new ClusterConnection({ now: clock.now });
    cluster.loadFromClusterAndUser(entry, user);
    await call();
  }
  expect(authorizations).toEqual([`Basic ${Buffer.from('a:b').toString('base64')}`, 'Bearer static']);
});

test('a proxy that never opens the way is given up, and its place is free again', async () => {
  const asked: Duplex[] = [];
  const proxy = http.createServer().on('connect', (_request, socket) => asked.push(socket));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const slow = new ClusterConnection({ now: clock.now, answerTimeoutMs: 50 });
  const { server: url = '' } = cluster.getCurrentCluster() ?? {};
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  slow.loadFromClusterAndUser(
    { name: 'c', caFile: file('ca.crt'), server: url, skipTLSVerify: false, proxyUrl },
    { name: 'u', token: 'static' },
  );
  const list = slow.makeApiClient(CoreV1Api).listNamespacedPod({ namespace: 'shop' });
  await expect(list).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
  expect(asked).toHaveLength(1);
  expect(slow.transport.limits.api_calls?.used).toBe(0);
  for (const socket of asked) socket.destroy();
  await slow.close();
  await once(proxy.close(), 'close');
});
