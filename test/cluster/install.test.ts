import { X509Certificate } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { Api, type KubeObject } from '../support/cluster/api.ts';
import { Installation } from '../support/cluster/installation.ts';
import { barePod } from '../support/cluster/objects.ts';
import { sharedControlPlane } from '../support/cluster/shared-control-plane.ts';
import { until } from '../support/until.ts';

const MANIFESTS = fileURLToPath(new URL('../../manifests', import.meta.url));
const CONFIGURATION = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/samebytes';
const SECRET = '/api/v1/namespaces/samebytes/secrets/samebytes-tls';
const ACCOUNT_PATH = '/api/v1/namespaces/samebytes/serviceaccounts/samebytes';
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

/** By which FlowSchema and priority level the API server let the last request in. */
function queueOf({ headers }: Api): object {
  return {
    schema: headers['x-kubernetes-pf-flowschema-uid'],
    level: headers['x-kubernetes-pf-prioritylevel-uid'],
  };
}

/** Asks the webhook again and again while `act` runs, and a while after. @throws where a single request fails. */
async function whileAsking(act: () => Promise<void>): Promise<void> {
  let asked = 0;
  let isOver = false;
  const asking = (async (): Promise<void> => {
    while (!isOver) {
      await askWebhook();
      asked += 1;
    }
  })();
  // Told where it is waited for below.
  asking.catch(() => {});
  try {
    await act();
    const enough = asked + 10;
    await Promise.race([until('more requests', () => asked >= enough), asking]);
  } finally {
    isOver = true;
    await asking;
  }
}

const RENEWED = '"msg":"serving certificate renewed"';
const UNCHANGEABLE = '"code":"unchangeable_secret"';

/** How often each process that runs has logged this. */
function timesLogged(text: string): number[] {
  return samebytes.processNames.map((name) => samebytes.process(name).stdout.split(text).length - 1);
}

function isMoreThan(counts: readonly number[], before: readonly number[]): boolean {
  return counts.every((count, index) => count > (before[index] ?? 0));
}

/** Asks the webhook all the time until each process serves another certificate for what `act` does. */
async function renewedBy(act: () => Promise<void>): Promise<void> {
  const before = timesLogged(RENEWED);
  await whileAsking(async () => {
    await act();
    await until('both processes to serve another', () => isMoreThan(timesLogged(RENEWED), before));
  });
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

  test('give our requests a queue of their own, which no other request comes into', async () => {
    const flowControl = '/apis/flowcontrol.apiserver.k8s.io/v1';
    const uidOf = async (path: string): Promise<string> =>
      (await samebytes.api.get(`${flowControl}/${path}`))['metadata'].uid;
    const own = {
      schema: await uidOf('flowschemas/samebytes'),
      level: await uidOf('prioritylevelconfigurations/samebytes'),
    };
    const { status } = await samebytes.api.post(`${ACCOUNT_PATH}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 600 },
    });
    const account = await Api.open(sharedControlPlane(), status.token);
    for (const path of [
      '/apis/samebytes.dev/v1alpha1/imagepins?limit=1',
      '/api/v1/nodes?limit=1',
      CONFIGURATION,
    ]) {
      await account.get(path);
      expect(queueOf(account)).toEqual(own);
    }
    await account.close();
    await samebytes.api.get('/api/v1/nodes?limit=1');
    expect(queueOf(samebytes.api)).not.toEqual(own);
  });

  test('of the overlay least-privilege let pull secrets be read only where a namespace says so', async () => {
    const canRead = async (namespace: string): Promise<string> => {
      const question = ['auth', 'can-i', 'get', 'secrets/anything', '-n', namespace, ACCOUNT];
      return (await samebytes.kubectl.try(...question)).stdout.trim();
    };
    await samebytes.namespace('install-other');
    await until('the rights of the base', async () => (await canRead('install')) === 'yes');
    const overlay = await samebytes.kubectl.run('kustomize', `${MANIFESTS}/overlays/least-privilege`);
    const rights = overlay
      .split(/^---$/m)
      .map((text) => parse(text) as KubeObject)
      .filter(({ apiVersion }) => apiVersion === 'rbac.authorization.k8s.io/v1');
    const base = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/samebytes-pull-secrets';
    try {
      // An overlay takes nothing away from a cluster that has it.
      await samebytes.api.delete(base);
      await samebytes.applyObjects(...rights);
      await until('secrets to be closed', async () => (await canRead('install')) === 'no');
      await samebytes.kubectl.run(
        ...['-n', 'install', 'create', 'rolebinding', 'samebytes-pull-secrets'],
        ...['--clusterrole=samebytes-pull-secrets', '--serviceaccount=samebytes:samebytes'],
      );
      await until('secrets of the namespace to be open', async () => (await canRead('install')) === 'yes');
      expect(await canRead('install-other')).toBe('no');
    } finally {
      await samebytes.apply();
    }
    await until('the rights of the base', async () => (await canRead('install-other')) === 'yes');
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

describe('no request fails, while the Secret', () => {
  test('is deleted', async () => {
    await renewedBy(async () => samebytes.api.delete(SECRET));
    const { data } = await samebytes.api.get(SECRET);
    const trusted = Buffer.from(data['ca.crt'], 'base64').toString();
    expect(new Set(await caBundles())).toEqual(new Set([trusted]));
    // The new authority, and the one of what was served meanwhile.
    expect(trusted.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThanOrEqual(2);
  });

  test.each([
    ['of another type', { type: 'Opaque' }],
    ['that nobody can change', { type: 'kubernetes.io/tls', immutable: true }],
  ])('is put there by hand as one %s, and each process logs once what to do', async (_what, made) => {
    const nonsense = Buffer.from('nonsense').toString('base64');
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'samebytes-tls' },
      data: { 'tls.crt': nonsense, 'tls.key': nonsense },
      ...made,
    };
    const before = timesLogged(UNCHANGEABLE);
    await renewedBy(async () => {
      await until('the Secret to be there before samebytes makes its own', async () => {
        await samebytes.api.delete(SECRET);
        return samebytes.api.post('/api/v1/namespaces/samebytes/secrets', secret);
      });
      await until('both processes to say so', () => isMoreThan(timesLogged(UNCHANGEABLE), before));
      await samebytes.api.delete(SECRET);
    });
    expect(timesLogged(UNCHANGEABLE)).toEqual(before.map((count) => count + 1));
    expect(samebytes.log).toContain('kubectl -n samebytes delete secret samebytes-tls');
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
