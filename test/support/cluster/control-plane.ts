import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import { ChildProcess } from '../child-process.ts';
import { freePorts } from '../free-ports.ts';
import { until } from '../until.ts';
import { Api } from './api.ts';
import type { Binaries, ProgramName } from './binaries.ts';

/** How to reach a control plane that runs, in plain values: they travel between processes. */
export interface ControlPlaneAddress {
  readonly directory: string;
  readonly server: string;
  readonly ca: string;
  readonly adminToken: string;
  /** A kubeconfig of a cluster administrator. */
  readonly kubeconfig: string;
  readonly auditLog: string;
  /** Where a port-forward to any port of any Pod leads, on this machine: no Pod really runs here. */
  readonly forwardedPort: number;
}

/** Without these the controllers make 20 requests a second, which hides everything that happens at once. */
const UNTHROTTLED = ['--kube-api-qps', '1000', '--kube-api-burst', '2000'];
const NODES = 3;
const ADMIN_TOKEN = 'test-admin';

const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Metadata', resources: [{ group: '', resources: ['pods', 'pods/ephemeralcontainers'] }] },
    { level: 'Metadata', resources: [{ group: 'samebytes.dev', resources: ['imagepins'] }] },
    { level: 'None' },
  ],
};

/**
 * A real control plane on free loopback ports: etcd, API server with RBAC, controller manager, scheduler, and kwok in
 * the kubelets' place. Everything it keeps is in one directory, which goes when it stops.
 */
export class ControlPlane {
  readonly #binaries: Binaries;
  readonly #directory: string;
  /** In the order in which they were started. */
  readonly #processes = new Map<ProgramName, ChildProcess>();
  #ports: readonly number[] = [];

  private constructor(binaries: Binaries, directory: string) {
    this.#binaries = binaries;
    this.#directory = directory;
  }

  static async start(binaries: Binaries): Promise<ControlPlane> {
    const directory = await mkdtemp(join(tmpdir(), 'samebytes-cluster-'));
    const started = new ControlPlane(binaries, directory);
    try {
      await started.#start();
      return started;
    } catch (error) {
      const tails = await started.#logTails();
      await started.stop();
      throw new Error(`the control plane did not start:\n${tails}`, { cause: error });
    }
  }

  get address(): ControlPlaneAddress {
    return {
      directory: this.#directory,
      server: `https://127.0.0.1:${this.#port(2)}`,
      ca: this.#file('ca.crt'),
      adminToken: ADMIN_TOKEN,
      kubeconfig: this.#file('kubeconfig'),
      auditLog: this.#file('audit.log'),
      forwardedPort: this.#port(6),
    };
  }

  /** Ends every process, last started first, and removes the directory. */
  async stop(): Promise<void> {
    for (const child of [...this.#processes.values()].toReversed()) await child.stop();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #start(): Promise<void> {
    await mkdir(this.#file('logs'));
    this.#ports = await freePorts(7);
    await this.#writeFiles();
    this.#startEtcd();
    this.#startApiServer();
    const api = await Api.open(this.address);
    await until('the API server', async () => {
      for (const name of ['etcd', 'kube-apiserver'] as const) this.#mustRun(name);
      return (await api.text('/readyz')) === 'ok';
    });
    this.#startController('kube-controller-manager', this.#port(3), [
      '--use-service-account-credentials',
      ...['--service-account-private-key-file', this.#file('sa.key')],
      ...['--root-ca-file', this.#file('ca.crt')],
    ]);
    this.#startController('kube-scheduler', this.#port(4), []);
    this.#run('kwok', [
      ...['--config', this.#binaries.stages, '--config', this.#file('forward.yaml')],
      ...['--kubeconfig', this.#file('kubeconfig')],
      ...['--node-lease-duration-seconds', '40'],
      // The API server looks for kubelets here.
      ...['--node-ip', '127.0.0.1', '--node-port', String(this.#port(5))],
      ...['--server-address', `127.0.0.1:${this.#port(5)}`],
      ...['--tls-cert-file', this.#file('api.crt'), '--tls-private-key-file', this.#file('api.key')],
      '--manage-all-nodes=true',
    ]);
    for (let node = 1; node <= NODES; node += 1) await api.post('/api/v1/nodes', nodeObject(`node-${node}`));
    await until('service accounts', () => api.get('/api/v1/namespaces/default/serviceaccounts/default'));
    await api.close();
  }

  async #writeFiles(): Promise<void> {
    const { ca, serving } = await issueCertificates({
      names: ['127.0.0.1', 'localhost', 'kubernetes.default.svc', '10.96.0.1'],
      notBefore: new Date(),
      validDays: 1,
    });
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const files = {
      'ca.crt': ca.cert,
      'api.crt': serving.cert,
      'api.key': serving.key,
      'sa.pub': publicKey,
      'sa.key': privateKey,
      'tokens.csv': `${ADMIN_TOKEN},admin,admin,"system:masters"\n`,
      'audit.yaml': JSON.stringify(AUDIT_POLICY),
      'forward.yaml': JSON.stringify({
        apiVersion: 'kwok.x-k8s.io/v1alpha1',
        kind: 'ClusterPortForward',
        metadata: { name: 'everything' },
        spec: { forwards: [{ target: { address: '127.0.0.1', port: this.address.forwardedPort } }] },
      }),
      kubeconfig: kubeconfigOf(this.address, ADMIN_TOKEN),
    };
    await Promise.all(
      Object.entries(files).map(([name, text]) => writeFile(this.#file(name), text, { mode: 0o600 })),
    );
  }

  #startEtcd(): void {
    const [client, peer] = [this.#port(0), this.#port(1)].map((port) => `http://127.0.0.1:${port}`);
    this.#run('etcd', [
      ...['--data-dir', this.#file('etcd'), '--unsafe-no-fsync'],
      ...['--listen-client-urls', client ?? '', '--advertise-client-urls', client ?? ''],
      ...['--listen-peer-urls', peer ?? '', '--initial-advertise-peer-urls', peer ?? ''],
      ...['--initial-cluster', `default=${peer ?? ''}`],
    ]);
  }

  #startApiServer(): void {
    this.#run('kube-apiserver', [
      ...['--etcd-servers', `http://127.0.0.1:${this.#port(0)}`],
      ...['--secure-port', String(this.#port(2)), '--bind-address', '127.0.0.1'],
      ...['--advertise-address', '127.0.0.1', '--endpoint-reconciler-type', 'none'],
      ...['--tls-cert-file', this.#file('api.crt'), '--tls-private-key-file', this.#file('api.key')],
      ...['--authorization-mode', 'RBAC', '--token-auth-file', this.#file('tokens.csv')],
      ...['--service-account-issuer', 'https://kubernetes.default.svc'],
      ...['--service-account-key-file', this.#file('sa.pub')],
      ...['--service-account-signing-key-file', this.#file('sa.key')],
      ...['--service-cluster-ip-range', '10.96.0.0/16'],
      ...['--audit-policy-file', this.#file('audit.yaml'), '--audit-log-path', this.#file('audit.log')],
      '--profiling=false',
    ]);
  }

  #startController(name: 'kube-controller-manager' | 'kube-scheduler', port: number, args: string[]): void {
    this.#run(name, [
      ...['--kubeconfig', this.#file('kubeconfig'), '--leader-elect=false'],
      ...['--bind-address', '127.0.0.1', '--secure-port', String(port)],
      ...['--cert-dir', this.#file(`${name}-certificates`)],
      ...UNTHROTTLED,
      ...args,
    ]);
  }

  #run(name: ProgramName, args: readonly string[]): void {
    const options = { command: this.#binaries.programs[name], args, logFile: this.#log(name) };
    this.#processes.set(name, new ChildProcess(options));
  }

  #mustRun(name: ProgramName): void {
    if (this.#processes.get(name)?.running !== true) throw new Error(`${name} has ended`);
  }

  async #logTails(): Promise<string> {
    const tails = [...this.#processes.keys()].map(async (name) => {
      const text = await readFile(this.#log(name), 'utf8').catch(() => '');
      return `${name}:\n${text.split('\n').slice(-8).join('\n')}`;
    });
    return (await Promise.all(tails)).join('\n');
  }

  #log(name: ProgramName): string {
    return this.#file(`logs/${name}.log`);
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  #port(index: number): number {
    return this.#ports[index] ?? 0;
  }
}

/** A kubeconfig for whoever has this token. */
export function kubeconfigOf(
  { server, ca }: Pick<ControlPlaneAddress, 'server' | 'ca'>,
  token: string,
): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': ca } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}

function nodeObject(name: string): object {
  const resources = { cpu: '256', memory: '1Ti', pods: '5000' };
  const labels = {
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': name,
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    status: { allocatable: resources, capacity: resources },
  };
}
