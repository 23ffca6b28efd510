import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ClusterConnection } from '../../../src/kubernetes/cluster-connection.ts';
import { MetadataApi } from '../../../src/kubernetes/metadata-api.ts';
import { noDeadline } from '../../support/signals.ts';

let server: Server;
let answer: RequestListener;
let api: MetadataApi;
let cluster: ClusterConnection;

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cluster = new ClusterConnection({ now: () => performance.now() });
  cluster.loadFromOptions({
    clusters: [
      {
        name: 'c',
        server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        skipTLSVerify: true,
      },
    ],
    users: [{ name: 'u', token: 'the-token' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  api = new MetadataApi(cluster);
});

afterEach(async () => {
  await cluster.close();
  server.closeAllConnections();
  await once(server.close(), 'close');
});

function line(type: string): string {
  return `${JSON.stringify({ type, object: { metadata: {} } })}\n`;
}

async function watched(silenceMs = 60_000, signal = noDeadline()): Promise<string[]> {
  const types = [];
  for await (const { type } of api.watch('/pins?watch=true', silenceMs, signal)) types.push(type);
  return types;
}

test('a list asks for metadata alone, with our credentials', async () => {
  let headers = {};
  answer = (request, response) => {
    headers = request.headers;
    response.end('{"kind":"PartialObjectMetadataList","items":[]}');
  };
  expect(await api.list('/pins?limit=1', noDeadline())).toMatchObject({ items: [] });
  expect(headers).toMatchObject({
    accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
    authorization: 'Bearer the-token',
  });
});

test.each([401, 403, 404, 410, 500])('status %i is an error that says so', async (status) => {
  answer = (_request, response) => void response.writeHead(status).end('secret');
  await expect(api.list('/pins', noDeadline())).rejects.toMatchObject({ status });
  await expect(watched()).rejects.toMatchObject({ status });
});

test.each(['', '[]', '<html>'])('a list that is %j is an error', async (text) => {
  answer = (_request, response) => void response.end(text);
  await expect(api.list('/pins', noDeadline())).rejects.toThrow('not an object');
});

describe('a watch', () => {
  test('gives event by event, also where one comes in pieces, and ends with the answer', async () => {
    answer = (_request, response) => {
      response.write(line('ADDED') + line('DELETED').slice(0, 10), () =>
        setImmediate(() => response.end(line('DELETED').slice(10) + line('BOOKMARK'))),
      );
    };
    expect(await watched()).toEqual(['ADDED', 'DELETED', 'BOOKMARK']);
  });

  test('fails where the connection breaks: something may have been missed', async () => {
    answer = (_request, response) => {
      response.write(line('ADDED'), () => response.destroy());
    };
    await expect(watched()).rejects.toThrow('other side closed');
  });

  test('fails where nothing comes for too long', async () => {
    answer = (_request, response) => void response.write(line('ADDED'));
    await expect(watched(50)).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
  });

  test.each(['nonsense', '{}', '{"type":1,"object":{}}', '{"type":"ADDED"}'])('fails at %s', async (text) => {
    answer = (_request, response) => void response.end(`${text}\n`);
    await expect(watched()).rejects.toThrow('no event');
  });

  test('ends with its signal', async () => {
    const stop = new AbortController();
    answer = (_request, response) => {
      response.write(line('ADDED'), () => stop.abort(new Error('enough')));
    };
    await expect(watched(60_000, stop.signal)).rejects.toThrow('enough');
  });
});
