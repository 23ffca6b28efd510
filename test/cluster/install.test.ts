import { X509Certificate } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { issueCertificates } from '../../src/certificates/authority.ts';
import type { KubeObject } from '../support/cluster/api.ts';
import { Installation } from '../support/cluster/installation.ts';
import { barePod } from '../support/cluster/objects.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { until } from '../support/until.ts';

const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));
const CONFIGURATION = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/samebytes';
const SECRET = '/api/v1/namespaces/samebytes/secrets/samebytes-tls';
const ACCOUNT = '--as=system:serviceaccount:samebytes:samebytes';
let samebytes: Installation;

beforeAll(async () => {
  samebytes = await Installation.install(sharedControlPlane(), { processes: 2 });
  await samebytes.enabled('install');
});

afterAll(async () => samebytes?.remove());

/** Pods whose image nobody can read are decided without a registry. */
async function askWebhook(): Promise<void> {
  const pod = barePod('install', 'asked', { image: 'no//reference' });
  const created = await samebytes.api.post('/api/v1/namespaces/install/pods?dryRun=All', pod);
  expect(created['metadata'].annotations['samebytes.dev/left-alone']).toBe('web');
}

async function caBundles(): Promise<string[]> {
  const { webhooks } = await samebytes.api.get(CONFIGURATION);
  return webhooks.map(({ clientConfig }: KubeObject) =>
    Buffer.from(clientConfig['caBundle'] ?? '', 'base64').toString(),
  );
}

test('both processes answer', async () => {
  for (let round = 0; round < 40; round += 1) await Promise.all([askWebhook(), askWebhook(), askWebhook()]);
  samebytes.expectAllToWork();
});

describe('the manifests', () => {
  test('are applied again without a change, and the certificate authority stays', async () => {
    const before = await caBundles();
    expect(await samebytes.diff()).toBe('');
    await samebytes.apply();
    expect(await caBundles()).toEqual(before);
    expect(before[0]).toContain('BEGIN CERTIFICATE');
  });

  test('can also be applied on the server side', async () => {
    await samebytes.apply('--server-side', '--force-conflicts');
    expect(samebytes.applied).toContain(
      'mutatingwebhookconfiguration.admissionregistration.k8s.io/samebytes',
    );
    expect((await caBundles())[0]).toContain('BEGIN CERTIFICATE');
    await askWebhook();
  });

  test.each(['base', 'overlays/least-privilege'])('%s are accepted as they are shipped', async (name) => {
    const { code, stderr } = await samebytes.kubectl.try(
      ...['apply', '-k', `${MANIFESTS}/${name}`, '--dry-run=server', '--validate=strict'],
      ...['--server-side', '--force-conflicts'],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('the overlay cert-manager only lacks cert-manager here', async () => {
    const { stderr } = await samebytes.kubectl.try(
      ...['apply', '-k', `${MANIFESTS}/overlays/cert-manager`, '--dry-run=server', '--validate=strict'],
      ...['--server-side', '--force-conflicts'],
    );
    const problems = stderr
      .split('\n')
      .filter((line) => line.startsWith('error') || line.includes('Warning'));
    expect(problems.filter((line) => !line.includes('cert-manager.io/v1'))).toEqual([]);
  });

  test('the overlay monitoring goes beside the installation, and only lacks the Prometheus operator here', async () => {
    const { stdout, stderr } = await samebytes.kubectl.try(
      ...['apply', '-k', `${MANIFESTS}/overlays/monitoring`, '--dry-run=server', '--validate=strict'],
      ...['--server-side', '--force-conflicts'],
    );
    expect(stdout).toContain('configmap/samebytes-dashboard');
    const lacking = stderr.match(/no matches for kind "(\w+)" in version "monitoring\.coreos\.com\/v1"/g);
    expect(lacking).toHaveLength(2);
    const problems = stderr
      .split('\n')
      .filter((line) => line.startsWith('error') || line.includes('Warning'));
    expect(problems.filter((line) => !line.includes('monitoring.coreos.com/v1'))).toEqual([]);
  });

  test.each([
    ['get', 'secrets/anything', 'install', 'yes'],
    ['list', 'secrets', 'install', 'no'],
    ['watch', 'secrets', 'install', 'no'],
    ['update', 'secrets/samebytes-tls', 'samebytes', 'yes'],
    ['update', 'secrets/other', 'samebytes', 'no'],
    ['delete', 'secrets/samebytes-tls', 'samebytes', 'no'],
    ['create', 'secrets', 'install', 'no'],
    ['patch', 'mutatingwebhookconfigurations/samebytes', 'install', 'yes'],
    ['patch', 'mutatingwebhookconfigurations/other', 'install', 'no'],
    ['get', 'controllerrevisions', 'install', 'yes'],
    ['update', 'pods', 'install', 'no'],
    ['create', 'pods', 'install', 'no'],
    ['update', 'deployments', 'install', 'no'],
    ['patch', 'replicasets', 'install', 'no'],
    ['create', 'clusterroles', 'install', 'no'],
  ])('let the webhook %s %s in %s: %s', async (verb, resource, namespace, answer) => {
    const { stdout } = await samebytes.kubectl.try('auth', 'can-i', verb, resource, '-n', namespace, ACCOUNT);
    expect(stdout.trim()).toBe(answer);
  });

  test('give our requests a queue of their own', async () => {
    const levels = await samebytes.api.text('/debug/api_priority_and_fairness/dump_priority_levels');
    expect(levels).toMatch(/^samebytes,/m);
    const schema = await samebytes.api.get('/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/samebytes');
    const { conditions } = schema['status'];
    expect(conditions).toContainEqual(expect.objectContaining({ type: 'Dangling', status: 'False' }));
  });
});

describe('the certificate that samebytes makes for itself', () => {
  test('is one for both processes, for the name of the Service', async () => {
    const { data } = await samebytes.api.get(SECRET);
    const certificate = new X509Certificate(Buffer.from(data['tls.crt'], 'base64'));
    expect(certificate.checkHost('samebytes.samebytes.svc')).toBeDefined();
    expect(new Set(await caBundles())).toEqual(new Set([Buffer.from(data['ca.crt'], 'base64').toString()]));
    const made = samebytes.log.match(/"msg":"made a certificate"/g);
    expect(made).toHaveLength(1);
  });

  test('is trusted again when somebody takes the authority out of the configuration', async () => {
    const before = await caBundles();
    await samebytes.api.patch(
      CONFIGURATION,
      [{ op: 'remove', path: '/webhooks/0/clientConfig/caBundle' }],
      'application/json-patch+json',
    );
    await until('the authority', async () => (await caBundles()).join() === before.join());
    await until('the webhook to be trusted', async () => {
      await askWebhook();
      return true;
    });
  });

  test('is renewed before it ends, while no request fails', async () => {
    for (const name of samebytes.processNames) await samebytes.stopProcess(name);
    const before = await samebytes.api.get(SECRET);
    const old = await dueInSeconds(12);
    await samebytes.api.put(SECRET, { ...before, data: old });
    // Both processes serve the old one first.
    await Promise.all([samebytes.startProcess('process-2'), samebytes.startProcess('process-3')]);
    await until('the webhook to be trusted', async () => {
      await askWebhook();
      return true;
    });
    let asked = 0;
    let renewed = false;
    const asking = (async (): Promise<void> => {
      while (!renewed) {
        await askWebhook();
        asked += 1;
      }
    })();
    const after = await until('the renewal', async () => {
      const secret = await samebytes.api.get(SECRET);
      return secret['data']['tls.crt'] !== old['tls.crt'] ? secret : undefined;
    });
    await until('both processes to serve it', () => {
      const lines = samebytes.log.match(/"msg":"serving certificate renewed"/g) ?? [];
      return lines.length >= 2;
    });
    renewed = true;
    await asking;
    expect(asked).toBeGreaterThan(5);
    const trusted = Buffer.from(after['data']['ca.crt'], 'base64').toString();
    expect(trusted.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(trusted).toContain(
      Buffer.from(old['ca.crt'] ?? '', 'base64')
        .toString()
        .trim(),
    );
    expect(new Set(await caBundles())).toEqual(new Set([trusted]));
  });

  test('is made anew where the Secret holds nonsense', async () => {
    const before = await samebytes.api.get(SECRET);
    const nonsense = Buffer.from('nonsense').toString('base64');
    await samebytes.api.patch(SECRET, { data: { 'tls.crt': nonsense, 'tls.key': nonsense } });
    await until('a new one', async () => {
      const { data } = await samebytes.api.get(SECRET);
      return data['tls.crt'] !== nonsense && data['tls.crt'] !== before['data']['tls.crt'];
    });
    await until('the webhook to be trusted', async () => {
      await askWebhook();
      return true;
    });
  });
});

test('a rolling restart loses no request, though a process that stops is still sent some', async () => {
  let rolling = true;
  let asked = 0;
  const asking = Array.from({ length: 3 }, async () => {
    while (rolling) {
      await askWebhook();
      asked += 1;
    }
  });
  for (const [index, name] of samebytes.processNames.entries()) {
    await samebytes.startProcess(`rolled-${index}`);
    await samebytes.stopProcess(name, 'SIGTERM');
  }
  rolling = false;
  await Promise.all(asking);
  expect(samebytes.processNames).toEqual(['rolled-0', 'rolled-1']);
  expect(asked).toBeGreaterThan(20);
});

/** The Secret's data with a certificate that is to be renewed in so many seconds: at two thirds of its life. */
async function dueInSeconds(seconds: number): Promise<Record<string, string>> {
  const { ca, serving } = await issueCertificates({
    names: ['samebytes.samebytes.svc', 'samebytes.samebytes', '127.0.0.1'],
    notBefore: new Date(Date.now() + seconds * 1_000 - 16 * 3_600_000),
    validDays: 1,
  });
  const data = { 'tls.crt': serving.cert, 'tls.key': serving.key, 'ca.crt': ca.cert };
  return Object.fromEntries(
    Object.entries(data).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
  );
}
