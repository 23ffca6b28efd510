import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { DistributionRegistry, REGISTRY_USERS } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { barePod, imagesOf } from '../support/cluster/objects.ts';
import { PullSecretMaker } from '../support/cluster/pull-secrets.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { until } from '../support/until.ts';

// The overlay least-privilege: pull secrets are readable only in namespaces that bind the role themselves.

const NS = 'least-privilege';
const OTHER = 'least-privilege-other';
const ACCOUNT = '--as=system:serviceaccount:samebytes:samebytes';
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
    overlay: 'least-privilege',
    settings: { registries: [{ host: registry.host, caFile: registry.caFile, allowLoopback: true }] },
  });
  const secrets = new PullSecretMaker(samebytes.api, registry.host);
  for (const namespace of [NS, OTHER]) {
    await samebytes.enabled(namespace);
    await secrets.json(namespace, 'regcred', { username: 'ann', password: REGISTRY_USERS.ann });
  }
});

afterAll(async () => {
  await samebytes?.remove();
  await registry?.remove();
});

async function apply(namespace: string): Promise<{ code: number | null; stderr: string }> {
  const spec = { imagePullSecrets: [{ name: 'regcred' }] };
  const file = await samebytes.file(barePod(namespace, 'web', { image: tagged, spec }));
  return samebytes.kubectl.try('apply', '-f', file);
}

async function mayRead(namespace: string): Promise<string> {
  const args = ['auth', 'can-i', 'get', 'secrets/regcred', '-n', namespace, ACCOUNT];
  return (await samebytes.kubectl.try(...args)).stdout.trim();
}

test('without a binding the Secret is not read, and the denial names the binding', async () => {
  expect(await mayRead(NS)).toBe('no');
  const { code, stderr } = await apply(NS);
  expect(code).not.toBe(0);
  expect(stderr).toContain('Secret "regcred" may not be read by samebytes');
  expect(stderr).toContain('RoleBinding samebytes-pull-secrets');
});

test('with the binding that the overlay names it is, in that namespace and no other', async () => {
  await samebytes.kubectl.run(
    ...['-n', NS, 'create', 'rolebinding', 'samebytes-pull-secrets'],
    ...['--clusterrole=samebytes-pull-secrets', '--serviceaccount=samebytes:samebytes'],
  );
  await until('the Pod to be pinned', async () => (await apply(NS)).code === 0);
  const [pod = {}] = await samebytes.pods(NS, 'app=web');
  expect(imagesOf(pod)).toEqual([pinned]);
  expect(await mayRead(OTHER)).toBe('no');
  expect((await apply(OTHER)).code).not.toBe(0);
});

test.each(['list', 'watch', 'update', 'create', 'delete'])(
  'the binding lets nobody %s Secrets',
  async (verb) => {
    const args = ['auth', 'can-i', verb, 'secrets', '-n', NS, ACCOUNT];
    expect((await samebytes.kubectl.try(...args)).stdout.trim()).toBe('no');
  },
);
