import { once } from 'node:events';
import http, { type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Agent, type Dispatcher } from 'undici';
import { ApiTransport, MAX_CALLS } from '../../../src/kubernetes/api-transport.ts';
import { settle } from '../../support/settle.ts';
import { noDeadline } from '../../support/signals.ts';
import { until } from '../../support/until.ts';

const MEBIBYTE = 1024 * 1024;
const LARGE = Buffer.alloc(9 * MEBIBYTE);
let transport: ApiTransport;
let agent: Agent;
let sockets: Socket[];
let server: Server;
let url: string;

beforeEach(() => {
  transport = new ApiTransport();
  agent = new Agent({ connections: MAX_CALLS, pipelining: 1, allowH2: false });
  sockets = [];
});

afterEach(async () => {
  await agent.destroy();
  for (const socket of sockets) socket.destroy();
  await once(server.close(), 'close');
});

async function listen(made: Server, protocol: 'http' | 'https'): Promise<void> {
  server = made.listen(0, '127.0.0.1');
  server.on('connection', (socket: Socket) => sockets.push(socket));
  await once(server, 'listening');
  url = `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
}

async function answering(listener: RequestListener): Promise<void> {
  await listen(http.createServer(listener), 'http');
}

/** Connects, and says nothing in TLS: no call gets as far as being sent. */
async function blackHole(): Promise<void> {
  await listen(createServer(), 'https');
}

function send(signal: AbortSignal = noDeadline()): ReturnType<ApiTransport['send']> {
  return transport.send({ url, method: 'GET', headers: {}, dispatcher: agent, signal });
}

function used(): { readonly calls: number | undefined; readonly waiting: number | undefined } {
  const { api_calls: calls, api_calls_waiting: waiting } = transport.limits;
  return { calls: calls?.used, waiting: waiting?.used };
}

/** What undici has of our calls, under way or waiting. */
function inUndici(): number {
  return Object.values(agent.stats).reduce((sum, { size }) => sum + size, 0);
}

describe('while the API server cannot be reached', () => {
  test('calls that were given up are nowhere but where they are being connected', async () => {
    await blackHole();
    for (let round = 0; round < 20; round += 1) {
      const given = new AbortController();
      const calls = Array.from({ length: 100 }, () => send(given.signal));
      await settle();
      given.abort(new Error('enough'));
      const outcomes = await Promise.allSettled(calls);
      expect(new Set(outcomes.map((each) => each.status === 'rejected' && String(each.reason)))).toEqual(
        new Set(['Error: enough']),
      );
    }
    expect(used()).toEqual({ calls: MAX_CALLS, waiting: 0 });
    expect(inUndici()).toBe(MAX_CALLS);
  });

  test('so many calls wait, and no more', async () => {
    await blackHole();
    const given = new AbortController();
    const room = MAX_CALLS + (transport.limits.api_calls_waiting?.max ?? 0);
    const calls = Array.from({ length: room }, () => send(given.signal));
    await expect(send(given.signal)).rejects.toMatchObject({ code: 'overloaded' });
    given.abort(new Error('enough'));
    await Promise.allSettled(calls);
    expect(used()).toEqual({ calls: MAX_CALLS, waiting: 0 });
  });

  test('room is there again when connections fail, and those that still wait take it', async () => {
    await blackHole();
    const given = new AbortController();
    const lost = Array.from({ length: MAX_CALLS }, () => send(given.signal));
    const waiting = send();
    await settle();
    given.abort(new Error('enough'));
    await Promise.allSettled(lost);
    expect(used()).toEqual({ calls: MAX_CALLS, waiting: 1 });
    server.on('connection', (socket: Socket) => socket.destroy());
    for (const socket of sockets) socket.destroy();
    await expect(waiting).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|UND_ERR_SOCKET/) });
    expect(used()).toEqual({ calls: 0, waiting: 0 });
  });
});

test('the newest call that waits goes first: it has most time left', async () => {
  const paths: (string | undefined)[] = [];
  const held: (() => void)[] = [];
  await answering(({ url: path }, response) => {
    paths.push(path);
    held.push(() => response.end());
  });
  const base = url;
  const calls = Array.from({ length: MAX_CALLS }, () => send());
  for (const name of ['old', 'new']) {
    url = `${base}/${name}`;
    calls.push(send());
  }
  await until('all places are taken', () => held.length === MAX_CALLS);
  held.shift()?.();
  await until('a place is taken again', () => paths.length > MAX_CALLS);
  expect(paths.at(-1)).toBe('/api/new');
  while (paths.length < calls.length) {
    held.shift()?.();
    await settle();
  }
  for (const release of held) release();
  await Promise.all(calls);
});

test('headers that cannot be sent are an error each time, without their value, and cost no connection', async () => {
  await answering((_request, response) => response.end());
  for (let time = 0; time < 2 * MAX_CALLS; time += 1) {
    const call = { url, method: 'GET', dispatcher: agent, signal: noDeadline() } as const;
    const failure: unknown = await transport
      .send({ ...call, headers: { authorization: 'Bearer planted\nsecret' } })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'ERR_INVALID_CHAR' });
    expect(String(failure)).not.toMatch(/planted|secret/);
  }
  expect((await send()).status).toBe(200);
});

test('a call whose time is over before it begins takes no place', async () => {
  await blackHole();
  const signal = AbortSignal.abort(new Error('enough'));
  await Promise.all(Array.from({ length: 40 }, () => expect(send(signal)).rejects.toThrow('enough')));
  expect(used()).toEqual({ calls: 0, waiting: 0 });
});

describe('a call makes room', () => {
  test.each<[string, RequestListener]>([
    ['is read', (_request, response) => response.end('{}')],
    ['has no body', (_request, response) => response.writeHead(204).end()],
    ['is an error', (_request, response) => response.writeHead(500).end('no')],
    ['breaks', (_request, response) => void response.write('{', () => response.destroy())],
    ['is too large', (_request, response) => response.end(LARGE)],
  ])(
    'when its answer %s',
    async (_how, listener) => {
      await answering(listener);
      // One more than there is room for: it is sent where another one made room.
      await Promise.allSettled(Array.from({ length: MAX_CALLS + 1 }, () => send()));
      await settle();
      expect(used()).toEqual({ calls: 0, waiting: 0 });
    },
    // Megabytes for each of them, on a machine that does other things as well.
    20_000,
  );

  test.each<[string, (body: Dispatcher.ResponseData['body'], given: AbortController) => void]>([
    ['is destroyed', (body) => body.destroy()],
    ['is given up by its signal', (_body, given) => given.abort(new Error('enough'))],
  ])('when an answer that goes on %s, and counts until then', async (_how, end) => {
    await answering((_request, response) => void response.write('{'));
    const given = new AbortController();
    const { body } = await transport.open({
      url,
      method: 'GET',
      headers: {},
      dispatcher: agent,
      signal: given.signal,
    });
    await settle();
    expect(used()).toEqual({ calls: 1, waiting: 0 });
    const closed = Promise.withResolvers<void>();
    body.once('close', closed.resolve);
    end(body, given);
    await closed.promise;
    expect(used()).toEqual({ calls: 0, waiting: 0 });
  });
});

describe('an answer', () => {
  test.each(['with its length', 'piece by piece'])('of 8 MiB is read, sent %s', async (how) => {
    await answering((_request, response) => {
      if (how === 'piece by piece') response.flushHeaders();
      response.end(Buffer.alloc(8 * MEBIBYTE, 'a'));
    });
    const { status, body } = await send();
    expect([status, body.length]).toEqual([200, 8 * MEBIBYTE]);
  });

  test('that is larger is an error, and its rest is not taken', async () => {
    let sent = 0;
    await answering((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && sent < 256) {
          sent += 1;
          if (!response.write(Buffer.alloc(MEBIBYTE))) return void response.once('drain', more);
        }
      };
      more();
    });
    await expect(send()).rejects.toMatchObject({ name: 'AnswerTooLargeError', code: 'answer_too_large' });
    expect(sent).toBeLessThan(64);
  });

  test('is asked for as it is, not compressed', async () => {
    let encoding: unknown;
    await answering(({ headers }, response) => {
      encoding = headers['accept-encoding'];
      response.end();
    });
    await send();
    expect(encoding).toBe('identity');
  });
});
