import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { HttpMethod, RequestContext } from '@kubernetes/client-node';
import { Agent } from 'undici';
import { ApiRequests } from '../../../src/kubernetes/api-requests.ts';
import { ApiTransport } from '../../../src/kubernetes/api-transport.ts';

let answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
const server = http.createServer((request, response) => void answer(request, response));
let url: string;
let requests: ApiRequests;

beforeEach(async () => {
  requests = new ApiRequests(new ApiTransport());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api?a=b`;
});

afterEach(async () => {
  server.closeAllConnections();
  await once(server.close(), 'close');
});

test('sends method, path, headers and body, and gives back what was answered', async () => {
  const seen: unknown[] = [];
  answer = async (request, response) => {
    const { method, url: path, headers } = request;
    const body = (await request.toArray()).join('');
    seen.push({ method, path, type: headers['content-type'], body });
    response.writeHead(409, { 'content-type': 'application/json' }).end('{"ö":1}');
  };
  const call = new RequestContext(url, HttpMethod.POST);
  call.setHeaderParam('Content-Type', 'application/json');
  call.setBody('{"ä":2}');
  const { httpStatusCode, headers, body } = await requests.send(call).toPromise();
  expect(seen).toEqual([{ method: 'POST', path: '/api?a=b', type: 'application/json', body: '{"ä":2}' }]);
  expect([httpStatusCode, headers['content-type'], await body.text()]).toEqual([
    409,
    'application/json',
    '{"ö":1}',
  ]);
  expect((await body.binary()).toString()).toBe('{"ö":1}');
});

test.each<[string, (response: ServerResponse) => void]>([
  ['before the answer', () => {}],
  ['in the middle of it', (response) => void response.write('{')],
])('ends with the reason of its signal, %s', async (_when, begin) => {
  const given = new AbortController();
  answer = (_request, response) => {
    begin(response);
    setImmediate(() => given.abort(new Error('enough')));
  };
  const call = new RequestContext(url, HttpMethod.GET);
  call.setSignal(given.signal);
  await expect(requests.send(call).toPromise()).rejects.toThrow('enough');
});

test('fails where the connection breaks in the middle of an answer', async () => {
  answer = (_request, response) => void response.write('{', () => response.destroy());
  const call = new RequestContext(url, HttpMethod.GET);
  await expect(requests.send(call).toPromise()).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' });
});

test.each<[string, (agent: Agent) => void]>([
  // Its one connection is another call's, which is never answered.
  [
    'for a free connection',
    (agent) => void agent.request({ origin: new URL(url).origin, path: '/', method: 'GET' }).catch(() => {}),
  ],
  // A server that speaks no TLS answers nothing to its first message.
  ['for its connection', () => (url = url.replace('http:', 'https:'))],
])('ends with the reason of its signal while it waits %s', async (_what, prepare) => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/api`;
  const agent = new Agent({ connections: 1 });
  prepare(agent);
  const given = new AbortController();
  const call = new RequestContext(url, HttpMethod.GET);
  call.setDispatcher(agent);
  call.setSignal(given.signal);
  const answered = requests.send(call).toPromise();
  setImmediate(() => given.abort(new Error('enough')));
  await expect(answered).rejects.toThrow('enough');
  await agent.destroy();
  for (const socket of sockets) socket.destroy();
  await once(silent.close(), 'close');
});
