import type http from 'node:http';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CoreV1Api } from '@kubernetes/client-node';
import { ClusterPullSecrets } from '../../../src/kubernetes/pull-secrets.ts';
import { errorFields } from '../../../src/telemetry/log.ts';
import { HttpApi } from '../../support/http-api.ts';
import { noDeadline } from '../../support/signals.ts';

const JSON_TYPE = 'kubernetes.io/dockerconfigjson';
const CFG_TYPE = 'kubernetes.io/dockercfg';
const encode = (text: string): string => Buffer.from(text).toString('base64');

let api: HttpApi;
let answer: (response: http.ServerResponse) => void;
let problems: Error[];
let secrets: ClusterPullSecrets;

beforeEach(async () => {
  problems = [];
  api = await HttpApi.start((_request, response) => answer(response));
  secrets = new ClusterPullSecrets({
    api: api.cluster.makeApiClient(CoreV1Api),
    onUnreadable: (error) => void problems.push(error),
  });
});
afterEach(async () => api.stop());

function reply(code: number, body: string): void {
  answer = (response) => {
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(body);
  };
}

function secret(type: string, data?: Record<string, string>): void {
  const metadata = { name: 'regcred', namespace: 'shop', annotations: { planted: 'planted-annotation' } };
  reply(200, JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata, type, data }));
}

const read = (name = 'regcred', namespace = 'shop') => secrets.read(namespace, name, noDeadline());

describe('a Secret', () => {
  test('is read by one GET with its name', async () => {
    secret(JSON_TYPE, { '.dockerconfigjson': encode('{"auths":{}}') });
    expect(await read()).toEqual({ is: 'found', type: JSON_TYPE, config: '{"auths":{}}' });
    expect(api.asked).toEqual(['GET /api/v1/namespaces/shop/secrets/regcred']);
  });

  test.each<[string, string, Record<string, string> | undefined, string | undefined]>([
    ['of the old type', CFG_TYPE, { '.dockercfg': encode('{}') }, '{}'],
    ['of one type with the other’s key', CFG_TYPE, { '.dockerconfigjson': encode('{}') }, undefined],
    ['with an empty key', JSON_TYPE, { '.dockerconfigjson': '' }, undefined],
    ['without data', JSON_TYPE, undefined, undefined],
    ['of another type', 'Opaque', { '.dockerconfigjson': encode('planted') }, undefined],
  ])('%s gives the text under the key of its type, and nothing else', async (_what, type, data, config) => {
    secret(type, data);
    expect(await read()).toEqual({ is: 'found', type, config });
  });

  test('gives nothing of its other keys', async () => {
    secret(JSON_TYPE, {
      '.dockerconfigjson': encode('{}'),
      'tls.key': encode('planted'),
      other: encode('planted'),
    });
    expect(inspect(await read(), { depth: 9 })).not.toMatch(/planted|other|tls/);
  });

  test('that does not exist is no trouble of ours', async () => {
    reply(404, JSON.stringify({ kind: 'Status', code: 404 }));
    expect(await read()).toEqual({ is: 'missing' });
    expect(problems).toEqual([]);
  });

  test.each([
    [403, 'forbidden'],
    [401, 'unreadable'],
    [429, 'unreadable'],
    [500, 'unreadable'],
    [503, 'unreadable'],
  ])('status %d makes %s, and a line for our log without the answer’s body', async (code, is) => {
    reply(code, JSON.stringify({ kind: 'Status', code, message: 'planted' }));
    expect(await read()).toEqual({ is });
    expect(problems.map((problem) => errorFields(problem))).toEqual([
      {
        name: 'Error',
        message: 'cannot read Secret shop/regcred',
        cause: { name: 'Error', message: `the API server answered with status ${code}` },
      },
    ]);
  });
});

test.each<[string, (response: http.ServerResponse) => void]>([
  ['is cut short', (response) => response.end('{"kind":"Secret","data":{".dockerconfigjson":"cGxhbnRlZ')],
  ['is a page', (response) => response.end('<html>planted')],
  [
    'is of another kind',
    (response) => response.end('{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":7}}'),
  ],
  ['never comes', (response) => response.destroy()],
])('an answer that %s makes unreadable, and quotes nothing', async (_what, write) => {
  answer = (response) => {
    response.setHeader('content-type', 'application/json');
    write(response);
  };
  expect(await read()).toEqual({ is: 'unreadable' });
  expect(problems).toHaveLength(1);
  expect(inspect(problems, { depth: 9, showHidden: true })).not.toMatch(/planted|cGxhbnRl/);
});

test.each(['..', '.', '', '../../configmaps/x', 'a/b', 'a?b', 'a%2Fb', 'Regcred', 'x'.repeat(254), '-a'])(
  'the name %j is none of a Secret, and asks nobody',
  async (name) => {
    answer = (response) => response.end();
    expect(await read(name)).toEqual({ is: 'missing' });
    expect(await read('regcred', name)).toEqual({ is: 'missing' });
    expect(api.asked).toEqual([]);
  },
);

test('an API server that hangs is left when the signal ends', async () => {
  const controller = new AbortController();
  const reason = new Error('the deadline');
  answer = () => controller.abort(reason);
  await expect(secrets.read('shop', 'regcred', controller.signal)).rejects.toBe(reason);
  expect(problems).toEqual([]);
});
