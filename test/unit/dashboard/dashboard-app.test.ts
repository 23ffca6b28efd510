import http from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createDashboardApp } from '../../../src/dashboard/dashboard-app.ts';
import type { Had } from '../../../src/dashboard/dashboard.ts';
import type { State } from '../../../src/dashboard/state.ts';
import { Listener } from '../../../src/server/listener.ts';

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

const STATE = { nowMs: 7 } as State;
const asked: Had[] = [];
let listener: Listener;

async function state(had: Had): Promise<State> {
  asked.push(had);
  return STATE;
}

beforeAll(async () => {
  listener = await Listener.open(createDashboardApp({ dashboard: { state } }), {
    host: '127.0.0.1',
    port: 0,
  });
});
afterAll(async () => listener.close(0));

async function ask(path: string, host = `127.0.0.1:${listener.port}`, method = 'GET'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const options = { host: '127.0.0.1', port: listener.port, path, method, agent: false };
  const request = http.request({ ...options, headers: { host } }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
  });
  request.once('error', reject).end();
  return promise;
}

test.each(['localhost', 'localhost:9091', '127.0.0.1', '127.0.0.1:1', '[::1]:9091', 'LOCALHOST:9091'])(
  'a browser that was told %s is answered',
  async (host) => {
    expect(await ask('/state', host)).toMatchObject({ status: 200, text: '{"nowMs":7}' });
  },
);

test.each([
  'evil.example',
  'evil.example:9091',
  'localhost.evil.example',
  'evil.example:localhost',
  '127.0.0.1.nip.io',
  '10.0.0.7:9091',
  'localhost:9091:9091',
  'null',
])('a request for the host %j is refused, whatever it asks for', async (host) => {
  for (const path of ['/', '/state', '/page.js'])
    expect(await ask(path, host)).toMatchObject({ status: 403, text: expect.stringContaining('localhost') });
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH'])('%s is not answered', async (method) => {
  expect(await ask('/state', undefined, method)).toMatchObject({ status: 405, headers: { allow: 'GET' } });
});

test.each(['/', '/page.js', '/page.css', '/favicon.svg', '/state', '/nowhere', '/%'])(
  '%s may not be framed, cached, sniffed or shared, and may load nothing from elsewhere',
  async (path) => {
    const { headers } = await ask(path);
    const policy = String(headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]),
    );
    expect(policy.join(' ')).not.toMatch(/unsafe|http|data:|\*/);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(headers).not.toHaveProperty('x-powered-by');
  },
);

test('the page and its parts have their types, and no script or style stands in the page itself', async () => {
  const page = await ask('/');
  expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
  expect(page.text).not.toMatch(/<style|style=|<script(?![^>]* src=)|\son[a-z]+=|https?:/);
  expect((await ask('/page.js')).headers['content-type']).toBe('text/javascript; charset=utf-8');
  expect((await ask('/page.css')).headers['content-type']).toBe('text/css; charset=utf-8');
  expect((await ask('/favicon.svg')).headers['content-type']).toBe('image/svg+xml; charset=utf-8');
});

test('what is not there is said in plain text', async () => {
  for (const path of ['/nowhere', '/page.json', '/../package.json', '/state/1'])
    expect(await ask(path)).toMatchObject({ status: 404, text: 'not found\n' });
  expect(await ask('/%')).toMatchObject({ headers: { 'content-type': 'text/plain; charset=utf-8' } });
});

test('a page says what it has; whatever is no number is nothing', async () => {
  asked.length = 0;
  await ask('/state?point=123&version=4');
  await ask('/state');
  await ask('/state?point=-5&version=1e3');
  await ask('/state?point=1&point=2&version[x]=1');
  expect(asked).toEqual([
    { pointMs: 123, version: 4 },
    { pointMs: -1, version: -1 },
    { pointMs: -1, version: -1 },
    { pointMs: -1, version: -1 },
  ]);
});
