import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DistributionRegistry, REGISTRY_USERS } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { barePod, deployment, imagesOf } from '../support/cluster/objects.ts';
import { basicAuth, PullSecretMaker } from '../support/cluster/pull-secrets.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';

// Pull secrets as users make them, through the real control plane, for a registry that asks for a password over TLS.

const NS = 'pull-secrets';
const STRANGER = 'pull-secrets-stranger';
const WRONG = 'planted-wrong-password';
const ANN = { auth: basicAuth('ann', REGISTRY_USERS.ann) };
const BOB = { username: 'bob', password: REGISTRY_USERS.bob };
let registry: DistributionRegistry;
let samebytes: Installation;
let tagged: string;
let pinned: string;

beforeAll(async () => {
  registry = await DistributionRegistry.start({ private: true });
  const digest = await registry.push('shop/web', '1.0', 'first');
  tagged = `${registry.host}/shop/web:1.0`;
  pinned = `${registry.host}/shop/web@${digest}`;
  samebytes = await Installation.install(sharedControlPlane(), {
    settings: { registries: [{ host: registry.host, caFile: registry.caFile, allowLoopback: true }] },
  });
  await samebytes.enabled(NS);
  await samebytes.enabled(STRANGER);
  const secrets = new PullSecretMaker(samebytes.api, registry.host);
  await samebytes.kubectl.run(
    ...['-n', NS, 'create', 'secret', 'docker-registry', 'regcred', `--docker-server=${registry.host}`],
    ...['--docker-username=ann', `--docker-password=${REGISTRY_USERS.ann}`],
  );
  await secrets.json(NS, 'bob', BOB);
  await secrets.cfg(NS, 'old', ANN);
  await secrets.json(NS, 'wrong', { auth: basicAuth('ann', WRONG) });
  await secrets.json(NS, 'broken', { auth: `${ANN.auth}!` });
  await secrets.any(NS, 'opaque', 'Opaque', {
    '.dockerconfigjson': JSON.stringify({ auths: { [registry.host]: ANN } }),
  });
  await secrets.any(NS, 'elsewhere', 'kubernetes.io/dockerconfigjson', {
    '.dockerconfigjson': JSON.stringify({ auths: { 'elsewhere.example.com': ANN } }),
  });
});

afterAll(async () => {
  await samebytes?.remove();
  await registry?.remove();
});

function withSecrets(...names: string[]): object {
  return { imagePullSecrets: names.map((name) => ({ name })) };
}

/** A Deployment with these pull secrets; the images of its Pods. */
async function rolledOut(name: string, ...secrets: string[]): Promise<string[]> {
  const spec = { spec: { containers: [{ name: 'web', image: tagged }], ...withSecrets(...secrets) } };
  await samebytes.applyObjects(deployment(NS, name, { image: tagged, replicas: 2, ...spec }));
  return (await samebytes.runningPods(NS, 2, `app=${name}`)).flatMap(imagesOf);
}

/** Why a bare Pod with these pull secrets is refused. */
async function refusal(name: string, secrets: readonly string[], namespace = NS): Promise<string> {
  const object = barePod(namespace, name, { image: tagged, spec: withSecrets(...secrets) });
  const { code, stderr } = await samebytes.kubectl.try('apply', '-f', await samebytes.file(object));
  if (code === 0) throw new Error('it was admitted');
  return stderr;
}

describe('a private image is pinned with the credentials of', () => {
  test('the Pod’s own Secret', async () => {
    expect(await rolledOut('own', 'regcred')).toEqual([pinned, pinned]);
  });

  test('the Secret of its service account, which the API server merges', async () => {
    await samebytes.api.post(`/api/v1/namespaces/${NS}/serviceaccounts`, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'puller' },
      ...withSecrets('regcred'),
    });
    const spec = { containers: [{ name: 'web', image: tagged }], serviceAccountName: 'puller' };
    await samebytes.applyObjects(deployment(NS, 'merged', { image: tagged, spec }));
    const [pod = {}] = await samebytes.runningPods(NS, 1, 'app=merged');
    expect(imagesOf(pod)).toEqual([pinned]);
  });

  test('a Secret of the old type', async () => {
    expect(await rolledOut('old-type', 'old')).toEqual([pinned, pinned]);
  });

  test('the second of two, where the first is refused', async () => {
    expect(await rolledOut('second', 'wrong', 'bob')).toEqual([pinned, pinned]);
  });

  test('the last, where one is missing, one cannot be read and one is of another type', async () => {
    const spec = withSecrets('gone', 'broken', 'opaque', 'regcred');
    const { stderr } = await samebytes.applyObjects(barePod(NS, 'last', { image: tagged, spec }));
    const [pod = {}] = await samebytes.pods(NS, 'app=last');
    expect(imagesOf(pod)).toEqual([pinned]);
    expect(stderr).toContain('Warning: samebytes: Secret "gone" does not exist in this namespace');
    expect(stderr).toContain('Secret "broken" holds no docker config (an auth is not base64)');
    expect(stderr).toContain('Secret "opaque" is of type "Opaque"');
  });

  test('its Pod also for an ephemeral container', async () => {
    await samebytes.applyObjects(barePod(NS, 'debugged', { image: tagged, spec: withSecrets('regcred') }));
    await samebytes.runningPods(NS, 1, 'app=debugged');
    await samebytes.kubectl.run(
      ...['-n', NS, 'debug', 'debugged', `--image=${tagged}`, '-c', 'look', '--profile=general', '--', 'sh'],
    );
    const { spec } = await samebytes.api.get(`/api/v1/namespaces/${NS}/pods/debugged`);
    expect(spec.ephemeralContainers).toEqual([expect.objectContaining({ name: 'look', image: pinned })]);
  });
});

describe('a denial says', () => {
  test('which Secret has the wrong password', async () => {
    const message = await refusal('wrong-password', ['wrong']);
    expect(message).toContain('the registry denied access (tried: Secret wrong, anonymous)');
  });

  test('the same in the event of a ReplicaSet', async () => {
    const spec = { containers: [{ name: 'web', image: tagged }], ...withSecrets('wrong') };
    await samebytes.applyObjects(deployment(NS, 'wrong-event', { image: tagged, spec }));
    expect(await samebytes.eventMessage(NS, /Secret wrong/)).toContain('the registry denied access');
  });

  test('which Secret is missing, of the wrong type, cannot be read, or for another registry', async () => {
    expect(await refusal('missing', ['gone'])).toContain('Secret "gone" does not exist in this namespace');
    expect(await refusal('opaque', ['opaque'])).toContain('Secret "opaque" is of type "Opaque"');
    expect(await refusal('broken', ['broken'])).toContain('Secret "broken" holds no docker config');
    expect(await refusal('elsewhere', ['elsewhere'])).toContain(
      "none of the Pod's imagePullSecrets is for this registry",
    );
  });

  test('that a Pod without pull secrets could have some', async () => {
    expect(await refusal('without', [])).toContain('name a Secret for this registry in imagePullSecrets');
  });
});

test('a tenant without the Secret does not get the answer that another one just got', async () => {
  const annotations = { 'samebytes.dev/policy': 'follow' };
  const follows = (namespace: string, spec: object) =>
    barePod(namespace, 'followed', { image: tagged, annotations, spec });
  await samebytes.applyObjects(follows(NS, withSecrets('regcred')));
  const [pod = {}] = await samebytes.pods(NS, 'app=followed');
  expect(imagesOf(pod)).toEqual([pinned]);
  for (const spec of [{}, withSecrets('regcred')]) {
    const file = await samebytes.file(follows(STRANGER, spec));
    const { code, stderr } = await samebytes.kubectl.try('apply', '-f', file);
    expect(code).not.toBe(0);
    expect(stderr).toContain('the registry denied access (tried: anonymous)');
    expect(stderr).not.toContain('sha256');
  }
});

test('a revision that is known asks neither for its Secret nor the registry', async () => {
  await rolledOut('scaled', 'regcred');
  const asked = registry.manifestRequests.length;
  const misses = 'samebytes_cache_requests_total{cache="credentials",result="miss"}';
  const before = await samebytes.metric(misses);
  await samebytes.api.delete(`/api/v1/namespaces/${NS}/secrets/regcred`);
  await samebytes.kubectl.run('-n', NS, 'scale', 'deployment/scaled', '--replicas=6');
  const pods = await samebytes.runningPods(NS, 6, 'app=scaled');
  expect(new Set(pods.flatMap(imagesOf))).toEqual(new Set([pinned]));
  expect(registry.manifestRequests).toHaveLength(asked);
  expect(await samebytes.metric(misses)).toBe(before);
});

test('no password is in any log, metric, event, audit record, Pod or ImagePin', async () => {
  const kinds = 'pods,replicasets,deployments,events,imagepins,serviceaccounts';
  const seen = await Promise.all([
    ...[NS, STRANGER].flatMap((namespace) => [
      samebytes.kubectl.run('-n', namespace, 'describe', kinds),
      samebytes.kubectl.run('-n', namespace, 'get', kinds, '-o', 'yaml'),
    ]),
    readFile(sharedControlPlane().auditLog, 'utf8'),
    samebytes.metrics(),
  ]);
  await samebytes.decisionsUntilNow();
  const everything = [...seen, samebytes.log].join('\n');
  expect(everything).toContain('Secret wrong');
  const secrets = [REGISTRY_USERS.ann, REGISTRY_USERS.bob, WRONG];
  const encoded = ['ann', 'bob'].flatMap((user) =>
    secrets.map((secret) => basicAuth(user, secret).slice(0, -4)),
  );
  expect([...secrets, ...encoded].filter((needle) => everything.includes(needle))).toEqual([]);
});
