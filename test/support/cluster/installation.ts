import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { parse, stringify } from 'yaml';
import { Balancer } from '../balancer.ts';
import { CuttableWire } from '../cuttable-wire.ts';
import { SamebytesProcess } from '../processes.ts';
import { until } from '../until.ts';
import { Api, type KubeObject } from './api.ts';
import { kubeconfigOf, type ControlPlaneAddress } from './control-plane.ts';
import { Kubectl } from './kubectl.ts';

const MANIFESTS = fileURLToPath(new URL('../../../manifests', import.meta.url));
const BASE = join(MANIFESTS, 'base');
const NAMESPACE = 'samebytes';
/** The webhooks of the configuration in their order, and the path of each. */
const WEBHOOKS = { enabled: 'enabled', late: 'enabled', allow: 'allow', audit: 'audit' } as const;

export interface InstallOptions {
  /** Which manifests; the base where absent. */
  readonly overlay?: 'least-privilege';
  /** How many webhook processes stand behind the balancer. */
  readonly processes?: number;
  /** Merged over the settings that are installed, section by section. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

interface Running {
  readonly process: SamebytesProcess;
  readonly healthPort: number;
}

/**
 * samebytes as users install it: the shipped manifests, applied by kubectl; only the webhooks' addresses point to this
 * machine, since no kubelet runs our Pod. The processes are started here with the Deployment's own arguments, the
 * ConfigMap's settings and a token of the Deployment's own ServiceAccount, so that its rights are really what they have.
 */
export class Installation {
  readonly api: Api;
  readonly kubectl: Kubectl;
  readonly balancer: Balancer;
  /** Between the webhook processes and the API server, to be cut. */
  readonly wire: CuttableWire;
  /** What `kubectl apply` printed. */
  applied = '';
  readonly #address: ControlPlaneAddress;
  readonly #directory: string;
  readonly #options: InstallOptions;
  readonly #processes = new Map<string, Running>();
  #serveArgs: readonly string[] = [];
  #files = 0;
  /** Decisions of processes that are gone, by name. */
  readonly #earlier = new Map<string, number>();
  /** What `/metrics` said of processes just before they were ended. */
  readonly #earlierMetrics: string[] = [];

  private constructor(
    parts: {
      api: Api;
      balancer: Balancer;
      wire: CuttableWire;
      address: ControlPlaneAddress;
      directory: string;
    },
    options: InstallOptions,
  ) {
    this.api = parts.api;
    this.balancer = parts.balancer;
    this.wire = parts.wire;
    this.#address = parts.address;
    this.#directory = parts.directory;
    this.#options = options;
    this.kubectl = new Kubectl(parts.address.kubeconfig);
  }

  static async install(address: ControlPlaneAddress, options: InstallOptions = {}): Promise<Installation> {
    const directory = await mkdtemp(join(tmpdir(), 'samebytes-install-'));
    const [api, balancer, wire] = await Promise.all([
      Api.open(address),
      Balancer.start(),
      CuttableWire.start(Number(new URL(address.server).port)),
    ]);
    const installation = new Installation({ api, balancer, wire, address, directory }, options);
    try {
      await installation.apply();
      await installation.#prepare();
      const names = Array.from({ length: options.processes ?? 1 }, (_, index) => `process-${index}`);
      await Promise.all(names.map((name) => installation.startProcess(name)));
      await installation.#answers();
      return installation;
    } catch (error) {
      await installation.remove();
      throw error;
    }
  }

  /** Applies the manifests, again if they are there already. @throws where the API server refuses or warns. */
  async apply(...args: string[]): Promise<void> {
    await this.#writeOverlay();
    const { code, stdout, stderr } = await this.kubectl.try(
      ...['apply', '-k', this.#directory, '--validate=strict', ...args],
    );
    if (code !== 0 || stderr !== '')
      throw new Error(`kubectl apply -k ended with ${String(code)}: ${stderr}`);
    this.applied = stdout;
  }

  /** What `kubectl diff -k` shows for the manifests as they were applied; empty where nothing differs. */
  async diff(): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl.try('diff', '-k', this.#directory);
    if (code !== 0 && code !== 1) throw new Error(stderr);
    return stdout;
  }

  /** Takes everything away: processes, objects, files. */
  async remove(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((name) => this.stopProcess(name, 'SIGINT')));
    await this.balancer.stop();
    await this.wire.stop();
    await this.kubectl.run('delete', '-k', this.#directory, '--wait=false', '--ignore-not-found');
    await until('the namespace to go', async () => {
      const found = await this.kubectl.try('get', 'namespace', NAMESPACE);
      return found.code !== 0;
    });
    await this.api.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Ends the processes, and leaves the objects to whoever ends the control plane. */
  async abandon(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((name) => this.stopProcess(name, 'SIGINT')));
    await Promise.all([this.balancer.stop(), this.wire.stop(), this.api.close()]);
    await rm(this.#directory, { recursive: true, force: true });
  }

  get processNames(): readonly string[] {
    return [...this.#processes.keys()];
  }

  process(name: string): SamebytesProcess {
    return this.#running(name).process;
  }

  /** Starts one more process, or one that ended. Resolves when it is ready. */
  async startProcess(name: string): Promise<void> {
    const process = new SamebytesProcess(
      [
        ...this.#serveArgs,
        ...['--webhook-port', '0', '--health-port', '0', '--dashboard-port', '0'],
        ...['--kubeconfig', join(this.#directory, 'kubeconfig')],
      ],
      {},
    );
    const [, line = ''] = await process.printed(/^(.*"msg":"ready".*)$/m);
    const { webhookPort, healthPort } = JSON.parse(line) as { webhookPort: number; healthPort: number };
    this.#processes.set(name, { process, healthPort });
    await this.balancer.add(name, { webhookPort, healthPort });
  }

  /** Ends a process: as Kubernetes does, as at a terminal (without a drain), or with SIGKILL. */
  async stopProcess(name: string, signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { process, healthPort } = this.#running(name);
    this.#processes.delete(name);
    // One that ended by itself has nothing to say any more.
    this.#earlierMetrics.push(await readMetrics(healthPort).catch(() => ''));
    process.signal(signal);
    await process.exited;
    this.#earlier.set(name, (this.#earlier.get(name) ?? 0) + linesOf(process).length);
  }

  /** How many admissions each process answered so far, by its log. */
  get admissions(): ReadonlyMap<string, number> {
    const counts = new Map(this.#earlier);
    for (const [name, { process }] of this.#processes) {
      counts.set(name, (counts.get(name) ?? 0) + linesOf(process).length);
    }
    return counts;
  }

  /** @throws unless each process that runs answered at least a quarter of what they all answered, also under its name before. */
  expectAllToWork(): void {
    const counts = [...this.admissions].filter(([name]) => this.#processes.has(name));
    const all = counts.reduce((sum, [, count]) => sum + count, 0);
    const idle = counts.filter(([, count]) => count < all / 4);
    if (idle.length > 0) throw new Error(`the load was not shared: ${JSON.stringify(counts)}`);
  }

  /** The decisions in the logs of the processes that run, as they were logged. */
  get decisions(): readonly KubeObject[] {
    return [...this.#processes.values()].flatMap(({ process }) => linesOf(process));
  }

  /** The same, once the log has told of every admission until now: its lines are gathered for a moment. */
  async decisionsUntilNow(): Promise<readonly KubeObject[]> {
    for (const { process, healthPort } of this.#processes.values()) {
      const metrics = await readMetrics(healthPort);
      const admissions = metrics.matchAll(/^samebytes_admissions_total\{outcome="(\w+)"\} (\d+)$/gm);
      let count = 0;
      for (const [, outcome, value] of admissions) if (outcome !== 'invalid_review') count += Number(value);
      await until(`${count} decisions in the log`, () => linesOf(process).length >= count);
    }
    return this.decisions;
  }

  /** Everything that the processes that run have logged. */
  get log(): string {
    return [...this.#processes.values()].map(({ process }) => process.stdout).join('');
  }

  /** The sum of one counter of `/metrics` over all processes, also those that are gone. */
  async metric(sample: string): Promise<number> {
    const running = [...this.#processes.values()].map(async ({ healthPort }) => readMetrics(healthPort));
    const texts = [...this.#earlierMetrics, ...(await Promise.all(running))];
    return texts.reduce((sum, text) => sum + sampleIn(text, sample), 0);
  }

  /** Everything at `/metrics` of the processes that run. */
  async metrics(): Promise<string> {
    const texts = [...this.#processes.values()].map(async ({ healthPort }) => {
      const { body } = await request(`http://127.0.0.1:${healthPort}/metrics`, { reset: true });
      return body.text();
    });
    return (await Promise.all(texts)).join('\n');
  }

  /** Makes a namespace with these labels, and waits for what Kubernetes puts into it. */
  async namespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.api.post('/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels },
    });
    await until(`the service account of ${name}`, () =>
      this.api.get(`/api/v1/namespaces/${name}/serviceaccounts/default`),
    );
  }

  /** Makes a namespace as users do who want its Pods pinned. */
  async enabled(name: string): Promise<void> {
    await this.namespace(name, { 'samebytes.dev/pin': 'enabled' });
  }

  /** Applies objects as `kubectl apply -f` does, warnings included. */
  async applyObjects(...objects: object[]): Promise<{ stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await this.kubectl.try('apply', '-f', await this.file(...objects));
    if (code !== 0) throw new Error(stderr);
    return { stdout, stderr };
  }

  /** A file that holds these objects, for kubectl. */
  async file(...objects: object[]): Promise<string> {
    this.#files += 1;
    const file = join(this.#directory, `objects-${this.#files}.yaml`);
    await writeFile(file, objects.map((object) => JSON.stringify(object)).join('\n---\n'));
    return file;
  }

  /** The Pods of a namespace that are not on their way out, by label if one is given. */
  async pods(namespace: string, selector = ''): Promise<KubeObject[]> {
    const { items } = await this.api.get(
      `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`,
    );
    return (items as KubeObject[]).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** Waits until so many Pods run, and returns them. */
  async runningPods(namespace: string, count: number, selector = ''): Promise<KubeObject[]> {
    return until(`${count} Pods in ${namespace}`, async () => {
      const found = await this.pods(namespace, selector);
      const running = found.filter(
        ({ status }) => status.phase === 'Running' || status.phase === 'Succeeded',
      );
      return running.length === count && found.length === count ? found : undefined;
    });
  }

  /** Waits for an event of the namespace whose message matches, and returns the message. */
  async eventMessage(namespace: string, pattern: RegExp): Promise<string> {
    return until(`an event like ${String(pattern)}`, async () => {
      const { items } = await this.api.get(`/api/v1/namespaces/${namespace}/events`);
      const messages = (items as KubeObject[]).map(({ message }) => String(message));
      return messages.find((message) => pattern.test(message));
    });
  }

  #running(name: string): Running {
    const running = this.#processes.get(name);
    if (running === undefined) throw new Error(`${name} does not run`);
    return running;
  }

  async #writeOverlay(): Promise<void> {
    const settings = await this.#settings();
    const url = `https://127.0.0.1:${this.balancer.port}/mutate`;
    const addresses = Object.entries(WEBHOOKS)
      .map(([name, mode], index) => [
        { op: 'test', path: `/webhooks/${index}/name`, value: `${name}.samebytes.dev` },
        { op: 'remove', path: `/webhooks/${index}/clientConfig/service` },
        { op: 'add', path: `/webhooks/${index}/clientConfig/url`, value: `${url}/${mode}` },
      ])
      .flat();
    const settingsObject = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'samebytes', namespace: NAMESPACE },
      data: { 'settings.yaml': settings },
    };
    const { overlay } = this.#options;
    const installed = overlay === undefined ? BASE : join(MANIFESTS, 'overlays', overlay);
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      // kustomize takes a base by relative path only.
      resources: [relative(this.#directory, installed)],
      patches: [
        { patch: stringify(settingsObject) },
        { target: { kind: 'MutatingWebhookConfiguration' }, patch: stringify(addresses) },
      ],
    };
    await writeFile(join(this.#directory, 'kustomization.yaml'), stringify(kustomization));
  }

  /** The shipped settings, with what a test changes in them. */
  async #settings(): Promise<string> {
    const rendered = await this.kubectl.run('kustomize', BASE);
    const objects = rendered.split(/^---$/m).map((text) => parse(text) as KubeObject);
    const shipped = objects.find(({ kind }) => kind === 'ConfigMap')?.['data']['settings.yaml'];
    const settings = parse(String(shipped)) as Record<string, object>;
    settings['certificates'] = {
      ...settings['certificates'],
      extraNames: ['127.0.0.1'],
      checkMs: 500,
      settleMs: 500,
    };
    settings['webhook'] = { ...settings['webhook'], host: '127.0.0.1' };
    settings['health'] = { ...settings['health'], host: '127.0.0.1' };
    for (const [section, value] of Object.entries(this.#options.settings ?? {})) {
      settings[section] = Array.isArray(value) ? value : { ...settings[section], ...(value as object) };
    }
    return stringify(settings);
  }

  /** What the Deployment's kubelet would prepare: arguments, the mounted settings, the ServiceAccount's token. */
  async #prepare(): Promise<void> {
    const deployment = await this.api.get(`/apis/apps/v1/namespaces/${NAMESPACE}/deployments/samebytes`);
    const { containers, serviceAccountName } = deployment['spec'].template.spec;
    const mounted = await this.api.get(`/api/v1/namespaces/${NAMESPACE}/configmaps/samebytes`);
    const settingsFile = join(this.#directory, 'settings.yaml');
    await writeFile(settingsFile, mounted['data']['settings.yaml']);
    this.#serveArgs = (containers[0].args as string[]).map((arg) =>
      arg.replace('/etc/samebytes/settings.yaml', settingsFile),
    );
    const { status } = await this.api.post(
      `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${serviceAccountName}/token`,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 24 * 3600 },
      },
    );
    const kubeconfig = JSON.parse(
      kubeconfigOf({ ...this.#address, server: `https://127.0.0.1:${this.wire.port}` }, status.token),
    ) as KubeObject;
    kubeconfig['contexts'][0].context.namespace = NAMESPACE;
    await writeFile(join(this.#directory, 'kubeconfig'), JSON.stringify(kubeconfig), { mode: 0o600 });
  }

  /** Waits until the API server calls us: it notices a new configuration a moment later. */
  async #answers(): Promise<void> {
    await this.namespace('samebytes-probe', { 'samebytes.dev/pin': 'enabled' }).catch(() => {});
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'probe' },
      spec: { containers: [{ name: 'probe', image: 'a//b' }] },
    };
    await until('the API server to call the webhook', async () => {
      const created = await this.api.post('/api/v1/namespaces/samebytes-probe/pods?dryRun=All', pod);
      return created['metadata'].annotations?.['samebytes.dev/left-alone'] === 'probe';
    });
    await this.api.delete('/api/v1/namespaces/samebytes-probe');
  }
}

function linesOf({ stdout }: SamebytesProcess): KubeObject[] {
  return stdout
    .split('\n')
    .filter((line) => line.includes('"msg":"admission"'))
    .map((line) => JSON.parse(line) as KubeObject);
}

async function readMetrics(healthPort: number): Promise<string> {
  const { body } = await request(`http://127.0.0.1:${healthPort}/metrics`, { reset: true });
  return body.text();
}

function sampleIn(metrics: string, sample: string): number {
  const line = metrics.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
  return line === undefined ? 0 : Number(line.slice(sample.length + 1));
}
