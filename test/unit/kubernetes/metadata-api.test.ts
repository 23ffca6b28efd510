import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ClusterConnection } from '../../../src/kubernetes/cluster-connection.ts';
import { MetadataApi } from '../../../src/kubernetes/metadata-api.ts';
import { settle } from '../../support/settle.ts';
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
  const timeouts = { openTimeoutMs: 10_000, silenceMs };
  for await (const { type } of await api.watch('/pins?watch=true', timeouts, signal)) types.push(type);
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

  test('gives many events of one piece, with empty lines nowhere, and a last one without its line feed', async () => {
    const body = line('ADDED').repeat(1_000) + line('DELETED').trimEnd();
    answer = (_request, response) => void response.end(body);
    expect(await watched()).toEqual([...Array<string>(1_000).fill('ADDED'), 'DELETED']);
  });

  test('fails at an event without an end, and takes no more of it', async () => {
    const piece = Buffer.alloc(64 * 1024, 'a');
    let sent = 0;
    answer = (_request, response) => {
      response.on('error', () => {});
      const write = (): void => {
        if (response.destroyed || sent > 1_000) return;
        sent += 1;
        response.write(piece, write);
      };
      response.write(line('ADDED'), write);
    };
    await expect(watched()).rejects.toMatchObject({ code: 'answer_too_large' });
    // What lies in the buffers of both sides besides.
    expect(sent * piece.length).toBeLessThan(24 * 1024 * 1024);
    await settle();
    expect(cluster.transport.limits.api_calls?.used).toBe(0);
  });

  test.each(['nonsense', '{}', '{"type":1,"object":{}}', '{"type":"ADDED"}'])('fails at %s', async (text) => {
    answer = (_request, response) => void response.end(`${text}\n`);
    await expect(watched()).rejects.toThrow('no event');
  });

  test('fails where the server takes the request and never answers', async () => {
    answer = () => {};
    const timeouts = { openTimeoutMs: 50, silenceMs: 60_000 };
    await expect(api.watch('/pins?watch=true', timeouts, noDeadline())).rejects.toThrow('no watch began');
  });

  test('stands once the server has begun to answer, also before the first event', async () => {
    answer = (_request, response) => response.flushHeaders();
    const timeouts = { openTimeoutMs: 10_000, silenceMs: 60_000 };
    const stop = new AbortController();
    const events = await api.watch('/pins?watch=true', timeouts, stop.signal);
    const next = events.next();
    stop.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });

  test('that has begun is not ended by the time for beginning', async () => {
    let late: (() => void) | undefined;
    answer = (_request, response) => {
      response.flushHeaders();
      late = () => response.end(line('ADDED'));
    };
    const events = await api.watch('/x', { openTimeoutMs: 20, silenceMs: 60_000 }, noDeadline());
    await new Promise((resolve) => setTimeout(resolve, 40));
    late?.();
    expect((await events.next()).value).toMatchObject({ type: 'ADDED' });
    expect((await events.next()).done).toBe(true);
  });

  test('ends with its signal', async () => {
    const stop = new AbortController();
    answer = (_request, response) => {
      response.write(line('ADDED'), () => stop.abort(new Error('enough')));
    };
    await expect(watched(60_000, stop.signal)).rejects.toThrow('enough');
  });
});
