import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { admissionReview, ownedBy, pod } from '../support/pods.ts';
import { dockerConfig } from '../support/played-secrets.ts';
import { WebhookUnderTest, type ReviewResponse } from '../support/running-webhook.ts';
import { SecretsApi } from '../support/secrets-api.ts';

// Pull secrets through the real server and the real Kubernetes client: when they are read, and that nothing of them is
// to be seen anywhere.

const JSON_TYPE = 'kubernetes.io/dockerconfigjson';
let api: SecretsApi;
let webhook: WebhookUnderTest;

beforeEach(async () => {
  api = await SecretsApi.start();
  webhook = await WebhookUnderTest.start({}, { cluster: api.cluster });
});

afterEach(async () => {
  await webhook.stop();
  await api.stop();
});

interface Created {
  readonly secrets: readonly string[];
  readonly revision?: string;
  readonly tag?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

function created({ secrets, revision = 'rs-1', tag = '1.0', annotations = {} }: Created): object {
  return pod({
    metadata: { ownerReferences: [ownedBy('ReplicaSet', revision)], annotations },
    spec: {
      imagePullSecrets: secrets.map((name) => ({ name })),
      containers: [{ name: 'web', image: webhook.image(tag) }],
    },
  });
}

/** From now on the registry lets nobody in. */
function lockRegistry(): void {
  webhook.registry.intercept = (_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' });
    response.end();
  };
}

test('a Secret is read once at the birth of a revision, and never for its other Pods', async () => {
  await webhook.registry.push('shop/web', '1.0', 'first');
  api.put('regcred', JSON_TYPE, { '.dockerconfigjson': dockerConfig({ [webhook.registry.host]: 'ann' }) });
  for (let replica = 0; replica < 20; replica += 1) await webhook.admit(created({ secrets: ['regcred'] }));
  expect(api.secretsRead).toEqual(['regcred']);
  expect(await webhook.metric('samebytes_cache_requests_total{cache="credentials",result="miss"}')).toBe(1);
});

test('nothing else is asked of Secrets: no list, no watch, no service account', async () => {
  await webhook.registry.push('shop/web', '1.0', 'first');
  await webhook.admit(created({ secrets: ['one', 'two'] }));
  expect(api.asked.filter((line) => !line.includes('/pods')).toSorted()).toEqual([
    'GET /api/v1/namespaces/shop/secrets/one',
    'GET /api/v1/namespaces/shop/secrets/two',
  ]);
});

test('a denial names what was tried and what could not be', async () => {
  api.put('regcred', JSON_TYPE, { '.dockerconfigjson': dockerConfig({ [webhook.registry.host]: 'ann' }) });
  lockRegistry();
  const { status } = await webhook.review(admissionReview(created({ secrets: ['regcred', 'gone'] })));
  expect(status?.message).toContain('the registry denied access (tried: Secret regcred, anonymous)');
  expect(status?.message).toContain('Secret "gone" does not exist in this namespace');
});

test('where samebytes may not read Secrets the message names the binding, and the log says it once', async () => {
  api.intercept = (_name, response) => {
    response.writeHead(403, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ kind: 'Status', code: 403, message: 'planted' }));
  };
  lockRegistry();
  const { status } = await webhook.review(admissionReview(created({ secrets: ['regcred'] })));
  expect(status?.message).toContain('RoleBinding samebytes-pull-secrets');
  const lines = webhook.logged.filter((line) => line.includes('a pull secret cannot be read'));
  expect(lines).toEqual([expect.stringContaining('the API server answered with status 403')]);
});

test('an API server that gives no answer makes a denial that may pass', async () => {
  api.intercept = (_name, response) => response.writeHead(500).end();
  lockRegistry();
  const { status } = await webhook.review(admissionReview(created({ secrets: ['regcred'] })));
  expect(status).toMatchObject({
    code: 503,
    message: expect.stringContaining('the API server gave no answer'),
  });
});

test('public images are pinned, whatever is wrong with the Secrets', async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  expect(await webhook.admit(created({ secrets: ['gone', '../../configmaps/x'] }))).toEqual([
    `${webhook.registry.host}/shop/web@${digest}`,
  ]);
  expect(api.secretsRead).toEqual(['gone']);
});

/** The response, and the patch in it in the open. */
function textOf(response: ReviewResponse): string {
  return JSON.stringify(response) + Buffer.from(response.patch ?? '', 'base64').toString('utf8');
}

interface Way {
  readonly path: string;
  readonly request?: object;
  readonly annotations?: Readonly<Record<string, string>>;
}

const WAYS: readonly Way[] = [
  { path: '/mutate/enabled' },
  { path: '/mutate/allow' },
  { path: '/mutate/audit' },
  { path: '/mutate/enabled', request: { dryRun: true } },
  { path: '/mutate/enabled', annotations: { 'samebytes.dev/policy': 'follow' } },
];

describe('planted secrets', () => {
  const planted = {
    user: 'planted-user',
    password: 'planted-password',
    token: 'planted-token',
    data: 'planted-data',
  };
  const auth = Buffer.from(`${planted.user}:${planted.password}`).toString('base64');
  const needles = [
    ...Object.values(planted),
    auth,
    ...Object.values(planted).map((text) => Buffer.from(text).toString('base64').slice(0, -4)),
    encodeURIComponent(auth),
  ];

  /** What each Secret holds; every one of them holds something that nobody may see. */
  function plant(): string[] {
    const { host } = webhook.registry;
    const entry = (fields: object): string => JSON.stringify({ auths: { [host]: fields } });
    const configs: Readonly<Record<string, string>> = {
      auth: entry({ auth }),
      plain: entry({ username: planted.user, password: planted.password }),
      identity: entry({ auth, identitytoken: planted.token, registrytoken: planted.token }),
      half: entry({ auth }).slice(0, -2),
      base64: entry({ auth: `${auth}!`, username: planted.user }),
      colonless: entry({ auth: Buffer.from(planted.password).toString('base64') }),
      list: JSON.stringify([planted.data]),
      number: entry({ username: planted.user, password: 7, auth }),
      key: JSON.stringify({ auths: { [`${planted.user}:${planted.password}@${host}`]: { auth } } }),
    };
    for (const [name, config] of Object.entries(configs))
      api.put(name, JSON_TYPE, { '.dockerconfigjson': config });
    api.put('old', 'kubernetes.io/dockercfg', { '.dockercfg': JSON.stringify({ [host]: { auth } }) });
    api.put('opaque', 'Opaque', { '.dockerconfigjson': entry({ auth }), password: planted.data });
    api.put('wrong-key', JSON_TYPE, { 'config.json': entry({ auth }) });
    api.intercept = (name, response) => {
      if (name === 'cut') response.end(`{"kind":"Secret","data":{".dockerconfigjson":"${auth}`);
      if (name === 'failing')
        response.writeHead(500).end(JSON.stringify({ kind: 'Status', message: planted.data }));
    };
    return [...Object.keys(configs), 'old', 'opaque', 'wrong-key', 'cut', 'failing', 'gone'];
  }

  test('are in no answer, warning, audit annotation, patch, log line or metric', async () => {
    await webhook.registry.push('shop/web', '1.0', 'first');
    const names = plant();
    const seen: string[] = [];
    let revision = 0;
    const review = async (secrets: string[], tag: string, way: Way): Promise<void> => {
      revision += 1;
      const object = created({
        secrets,
        tag,
        annotations: way.annotations ?? {},
        revision: `rs-${revision}`,
      });
      const answer = await webhook.review(admissionReview(object, way.request), `${way.path}?timeout=5s`);
      seen.push(textOf(answer));
    };
    const everyWay = async (tag: string): Promise<void> => {
      for (const way of WAYS) await review(names, tag, way);
      for (const name of names) await review([name], tag, { path: '/mutate/enabled' });
    };
    await everyWay('1.0');
    await everyWay('missing');
    lockRegistry();
    await everyWay('private');
    webhook.registry.intercept = (_request, response) => void response.destroy();
    await everyWay('unreachable');

    const everything = [...seen, ...webhook.logged, (await webhook.health('/metrics')).text].join('\n');
    // It was really about these Secrets, in all their ways of being wrong.
    expect(new Set(api.secretsRead)).toEqual(new Set(names));
    for (const word of [
      'Secret auth',
      'is not JSON',
      'not base64',
      'not hold user:password',
      'Opaque',
      'no answer',
    ])
      expect(everything).toContain(word);
    expect(needles.filter((needle) => everything.includes(needle))).toEqual([]);
  });
});
