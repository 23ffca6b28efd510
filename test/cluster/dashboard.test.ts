import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { State } from '../../src/dashboard/state.ts';
import { kubeconfigOf } from '../support/cluster/control-plane.ts';
import { DistributionRegistry } from '../support/cluster/distribution-registry.ts';
import { Installation } from '../support/cluster/installation.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { CuttableWire } from '../support/cuttable-wire.ts';
import { SamebytesProcess } from '../support/processes.ts';

// `samebytes dashboard` through a real API server, with its access rules. The kubelet's side is kwok's, built from the
// kubelet's own streaming library; since no Pod really runs, kwok leads to a wire, and the wire to our process's page.

const plane = sharedControlPlane();
let registry: DistributionRegistry;
let samebytes: Installation;
let wire: CuttableWire;
let command: SamebytesProcess | undefined;

beforeAll(async () => {
  registry = await DistributionRegistry.start();
  await registry.push('shop/web', '1.0', 'first');
  samebytes = await Installation.install(plane, {
    settings: { registries: [{ host: registry.host, insecure: true, allowLoopback: true }] },
  });
  const [, port] = /"dashboardPort":(\d+)/.exec(samebytes.process('process-0').stdout) ?? [];
  wire = await CuttableWire.start(Number(port), plane.forwardedPort);
  // What the Deployment's own Pods are to the API server.
  await samebytes.runningPods('samebytes', 2, 'app.kubernetes.io/name=samebytes');
});
afterEach(async () => {
  await command?.kill();
  command = undefined;
});
afterAll(async () => {
  await wire?.stop();
  await samebytes?.remove();
  await registry?.remove();
});

function start(kubeconfig = plane.kubeconfig): SamebytesProcess {
  command = new SamebytesProcess(['dashboard', '--kubeconfig', kubeconfig, '--port', '0', '--no-open']);
  return command;
}

/** A kubeconfig of somebody who may do this with the Pods of samebytes, and nothing else. */
async function kubeconfigWith(name: string, rules: readonly object[]): Promise<string> {
  const namespace = '/namespaces/samebytes';
  const rbac = `/apis/rbac.authorization.k8s.io/v1${namespace}`;
  const metadata = { name };
  await samebytes.api.post(`/api/v1${namespace}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata,
  });
  await samebytes.api.post(`${rbac}/roles`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    rules: rules.map((rule) => ({ apiGroups: [''], ...rule })),
  });
  await samebytes.api.post(`${rbac}/rolebindings`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: 'samebytes' }],
  });
  const { status } = await samebytes.api.post(`/api/v1${namespace}/serviceaccounts/${name}/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: 3600 },
  });
  const file = join(plane.directory, `${name}.kubeconfig`);
  await writeFile(file, kubeconfigOf(plane, status.token), { mode: 0o600 });
  return file;
}

const LIST = { resources: ['pods'], verbs: ['list'] };

test('it shows what the webhook process decided about the Pods of this cluster', async () => {
  await samebytes.enabled('seen');
  await samebytes.applyObjects({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'seen' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image: `${registry.host}/shop/web:1.0` }] },
      },
    },
  });
  await samebytes.runningPods('seen', 3);
  const [text, url = ''] = await start().printed(
    /Dashboard of Pod samebytes\/samebytes-\S+ .*(http:\S+)[^]*Ctrl-C/,
  );
  expect(text).toMatch(/Other processes, each with its own numbers \(--pod NAME\): samebytes-\S+\n/);
  const state = (await fetch(new URL('state', url)).then((answer) => answer.json())) as State;
  expect(state.recent?.pins).toMatchObject([{ namespace: 'seen', container: 'web', times: 3 }]);
  expect(state.process.namespace).toBe('samebytes');
  expect(state.admissions['pinned']).toBe(
    await samebytes.metric('samebytes_admissions_total{outcome="pinned"}'),
  );
  const script = await fetch(new URL('page.js', url)).then((answer) => answer.text());
  expect(script).toContain('uPlot');
});

test('list on pods, and create and get on pods/portforward, are all the rights that it needs', async () => {
  const rules = [LIST, { resources: ['pods/portforward'], verbs: ['create', 'get'] }];
  const [text] = await start(await kubeconfigWith('may', rules)).printed(/^Dashboard of Pod [^]*Ctrl-C/);
  expect(text).toContain('http://127.0.0.1:');
});

test.each([
  ['may-not-list', [], /you may not list Pods in namespace samebytes \(403\)/],
  [
    'may-only-list',
    [LIST],
    /you may not forward ports to Pod samebytes\/samebytes-\S+ \(403\): that needs "create" and "get"/,
  ],
])('whoever %s is told what is missing', async (name, rules, message) => {
  const { code, stderr } = await start(await kubeconfigWith(name, rules)).exited;
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
});

test('where nothing listens behind the port, it says so', async () => {
  wire.cut();
  const { code, stderr } = await start().exited;
  wire.mend();
  expect(code).toBe(1);
  expect(stderr).toMatch(/port 9091 of Pod samebytes\/samebytes-\S+: .*\. Is the dashboard turned off there/);
});
