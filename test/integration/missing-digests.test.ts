import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { dockerConfig, passwordOf } from '../support/played-secrets.ts';
import { ownedBy, pod } from '../support/pods.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';
import { SecretsApi } from '../support/secrets-api.ts';
import { until } from '../support/until.ts';

// The whole webhook asks a private registry over HTTP, with pull secrets that the real Kubernetes client reads.

let api: SecretsApi;
let webhook: WebhookUnderTest;
let digest: string;

beforeEach(async () => {
  api = await SecretsApi.start();
  webhook = await WebhookUnderTest.start({ pins: { checkDigestsEveryMs: 1_000 } }, { cluster: api.cluster });
  digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const config = dockerConfig({ [webhook.registry.host]: 'ann' });
  api.put('regcred', 'kubernetes.io/dockerconfigjson', { '.dockerconfigjson': config });
});

afterEach(async () => {
  await webhook.stop();
  await api.stop();
});

/** From now on questions are answered to this user alone, and held back by `before`. */
function letIn(user: string, before: () => Promise<void> = async () => {}): void {
  const basic = `Basic ${Buffer.from(`${user}:${passwordOf(user)}`).toString('base64')}`;
  webhook.registry.intercept = async ({ method, headers }, response) => {
    if (method !== 'HEAD' && method !== 'GET') return;
    if (headers.authorization !== basic) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
    } else await before();
  };
}

async function admit(): Promise<string[]> {
  const created = pod({
    metadata: { ownerReferences: [ownedBy('ReplicaSet', 'rs-1')] },
    spec: {
      imagePullSecrets: [{ name: 'regcred' }],
      containers: [{ name: 'web', image: webhook.image('1.0') }],
    },
  });
  return webhook.admit(created);
}

const missing = async (): Promise<number> =>
  webhook.metric(`samebytes_pinned_digests_missing{registry="${webhook.registry.host}"}`);

const logged = (message: string): Record<string, unknown>[] =>
  webhook.logged
    .filter((line) => line.includes(`"msg":"${message}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** How often the registry was asked for the digest. */
const asked = (): number =>
  webhook.registry.manifestRequests.filter(({ path }) => path.endsWith(digest)).length;

test('a digest that a private registry lost is missing, and back once it is pushed again', async () => {
  letIn('ann');
  const images = await admit();
  await until('a first look', () => asked() > 0);
  expect(await missing()).toBe(0);

  await webhook.registry.delete('shop/web', digest);
  await until('the digest to be missed', async () => (await missing()) === 1);
  expect(logged('pinned digest missing')).toEqual([
    expect.objectContaining({
      namespace: 'shop',
      repository: `${webhook.registry.host}/shop/web`,
      digest,
      revisions: [{ owner: 'ReplicaSet/web', revision: 'ReplicaSet/web', reference: webhook.image('1.0') }],
    }),
  ]);
  // What is known of the registry changes nothing for Pods.
  expect(await admit()).toEqual(images);

  await webhook.registry.push('shop/web', '1.0', 'first');
  await until('the digest to be back', async () => (await missing()) === 0);
  expect(logged('pinned digest is back')).toHaveLength(1);
  expect(webhook.logged.join('')).not.toContain(passwordOf('ann'));
  expect(webhook.registry.manifestRequests.filter(({ method }) => method === 'GET')).toEqual([]);
});

test('a registry that refuses the credentials has lost nothing, as far as anybody knows', async () => {
  letIn('ann');
  await admit();
  await until('a first look', () => asked() > 0);
  letIn('bob');
  const before = asked();
  await webhook.registry.delete('shop/web', digest);
  await until('two more looks', () => asked() >= before + 4);
  expect(await missing()).toBe(0);
  expect(logged('pinned digest missing')).toEqual([]);
});

test('a question that hangs holds up neither an admission nor the end of the process', async () => {
  letIn('ann');
  const images = await admit();
  const reached = Promise.withResolvers<void>();
  letIn('ann', async () => {
    reached.resolve();
    await new Promise(() => {});
  });
  await reached.promise;
  expect(await admit()).toEqual(images);
  await webhook.stop();
  expect(logged('a pinned digest could not be checked')).toEqual([]);
});

test('with pins.checkDigestsEveryMs 0 no digest is watched', async () => {
  const off = await WebhookUnderTest.start({ pins: { checkDigestsEveryMs: 0 } });
  try {
    await off.registry.push('shop/web', '1.0', 'first');
    await off.admit(
      pod({
        metadata: { ownerReferences: [ownedBy('ReplicaSet', 'rs-1')] },
        spec: { containers: [{ name: 'web', image: off.image('1.0') }] },
      }),
    );
    const { text } = await off.health('/metrics');
    expect(text).not.toContain('cache="served_digest"');
    expect(text).not.toMatch(/^samebytes_pinned_digests_missing\{/m);
  } finally {
    await off.stop();
  }
});
