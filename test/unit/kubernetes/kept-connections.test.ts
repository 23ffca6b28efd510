import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import { findCluster } from '../../../src/kubernetes/cluster.ts';
import { kubeconfigOf } from '../../support/cluster/control-plane.ts';

// A real HTTPS server, which counts connections.

let directory: string;
let server: https.Server;
let connections: number;
let tokens: (string | undefined)[];
let api: CoreV1Api;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'samebytes-kept-'));
  connections = 0;
  tokens = [];
  server = https.createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ apiVersion: 'v1', kind: 'PodList', items: [] }));
  });
  server.on('secureConnection', () => (connections += 1));
  await serveWithNewAuthority();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigOf({ server: address, ca: join(directory, 'ca.crt') }, 'token-1'));
  const cluster = findCluster(kubeconfig);
  if (cluster === undefined) throw new Error('no cluster');
  api = cluster.makeApiClient(CoreV1Api);
});

afterEach(async () => {
  server.closeAllConnections();
  await once(server.close(), 'close');
  rmSync(directory, { recursive: true });
});

async function serveWithNewAuthority(): Promise<void> {
  const names = ['127.0.0.1'];
  const { ca, serving } = await issueCertificates({ names, notBefore: new Date(), validDays: 1 });
  writeFileSync(join(directory, 'ca.crt'), ca.cert);
  server.setSecureContext(serving);
}

async function list(): Promise<void> {
  await api.listNamespacedPod({ namespace: 'shop' });
}

test('calls one after another go over connections that are kept, each with the token', async () => {
  for (let call = 0; call < 10; call += 1) await list();
  // A second one where a call comes before the answer to the one before is read to its end.
  expect(connections).toBeLessThanOrEqual(2);
  expect(tokens).toEqual(Array(10).fill('Bearer token-1'));
});

test('many calls at once share a limited number of connections', async () => {
  await Promise.all(Array.from({ length: 200 }, list));
  expect(tokens).toHaveLength(200);
  expect(connections).toBeLessThanOrEqual(32);
});

test('an authority that was renewed is trusted from the next call on', async () => {
  await list();
  server.closeAllConnections();
  await serveWithNewAuthority();
  await list();
  expect(tokens).toHaveLength(2);
});
