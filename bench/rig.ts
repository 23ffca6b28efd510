import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { issueCertificates } from '../src/certificates/authority.ts';
import { kubeconfigOf } from '../test/support/cluster/control-plane.ts';
import { ChildProcess } from '../test/support/child-process.ts';
import type { ApiCounts } from './api-server.ts';
import { CalledProcess } from './calls.ts';
import type { Load, LoadResult } from './load.ts';
import type { RegistryCounts } from './registry.ts';
import { readUsage, type Usage } from './usage.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COLLECT = new URL('./collect-on-signal.js', import.meta.url).href;
/** As in manifests/base, which a test compares: the heap of what is measured is the heap of what is installed. */
export const ENVIRONMENT = {
  NODE_OPTIONS: '--max-old-space-size=192 --max-semi-space-size=8',
  MALLOC_ARENA_MAX: '1',
};
const run = promisify(execFile);
/** They are written one every 20 ms at most, while there are any. */
const EVENTS_PAUSE_MS = 250;

/** A webhook under load. */
export interface Webhook {
  readonly name: string;
  readonly url: string;
  /** What it has used so far; not there for peers, which are not ours to ask. */
  readonly usage?: () => Promise<Usage>;
}

/** A process of the rig's own. */
export interface OwnWebhook extends Webhook {
  readonly usage: NonNullable<Webhook['usage']>;
}

/** One webhook process of ours. */
export interface SamebytesWebhook extends OwnWebhook {
  readonly healthPort: number;
  /** Collects its garbage, a moment from now. */
  readonly collect: () => void;
  readonly stop: () => Promise<void>;
}

interface Ports {
  readonly webhookPort: number;
  readonly healthPort: number;
}

/**
 * All that is measured and all that it is measured with, each in a process of its own on loopback: a registry, a played
 * API server, the null webhook, samebytes, a load generator. samebytes and the null webhook run as the image runs them:
 * bundled into one file each.
 */
export class Rig {
  readonly registry = new CalledProcess('./registry.ts');
  readonly apiServer = new CalledProcess('./api-server.ts');
  readonly #load = new CalledProcess('./load.ts');
  readonly #directory: string;
  readonly #nulls: CalledProcess[] = [];
  readonly #samebytes: SamebytesWebhook[] = [];
  readonly #moreSettings: object;
  #registryHost = '';

  private constructor(directory: string, settings: object) {
    this.#directory = directory;
    this.#moreSettings = settings;
  }

  /** `settings` come on top of the rig's own. */
  static async start(settings: object = {}): Promise<Rig> {
    const rig = new Rig(await mkdtemp(join(tmpdir(), 'samebytes-bench-')), settings);
    try {
      await rig.#prepare();
      return rig;
    } catch (error) {
      await rig.stop();
      throw error;
    }
  }

  /** As it stands in images. */
  get registryHost(): string {
    return this.#registryHost;
  }

  /** Starts a webhook that allows everything. */
  async startNull(nodeFlags: readonly string[] = []): Promise<OwnWebhook> {
    const process = new CalledProcess(this.#file('null-webhook.mjs'), {
      env: ENVIRONMENT,
      nodeFlags,
    });
    this.#nulls.push(process);
    const tls = { certFile: this.#file('tls.crt'), keyFile: this.#file('tls.key') };
    const ports = await process.call<Ports>('start', tls);
    return webhookAt('null', ports);
  }

  /** Starts one more webhook process of samebytes, whose pins are kept in the played API server. */
  async startSamebytes(nodeFlags: readonly string[] = []): Promise<SamebytesWebhook> {
    const child = new ChildProcess({
      command: process.execPath,
      args: [
        '--import',
        COLLECT,
        ...nodeFlags,
        this.#file('samebytes.mjs'),
        'serve',
        '--config',
        this.#file('settings.yaml'),
      ],
      env: ENVIRONMENT,
    });
    const [line] = await child.printed(/^\{.*"msg":"ready".*\}$/m);
    // Its log is read, as a container runtime reads it, and thrown away.
    child.forgetOutput();
    const ports = JSON.parse(line) as Ports;
    const webhook = {
      ...webhookAt('samebytes', ports),
      healthPort: ports.healthPort,
      collect: () => child.signal('SIGUSR2'),
      stop: async () => child.stop(),
    };
    this.#samebytes.push(webhook);
    return webhook;
  }

  async load(load: Omit<Load, 'pods'> & { pods: Omit<Load['pods'], 'registry'> }): Promise<LoadResult> {
    const pods = { registry: this.#registryHost, ...load.pods };
    return this.#load.call<LoadResult>('run', { ...load, pods });
  }

  /** What registry and API server were asked since the last {@link forgetCounts}. */
  async counts(): Promise<RegistryCounts & { readonly api: ApiCounts }> {
    const registry = await this.registry.call<RegistryCounts>('counts');
    return { ...registry, api: await this.apiServer.call<ApiCounts>('counts') };
  }

  /** Waits for the events of the last load: they are its own, and take time from whoever is measured next. */
  async untilNobodyTells(): Promise<void> {
    for (let told = 0; ;) {
      const { tellingCalls } = await this.apiServer.call<ApiCounts>('counts');
      if (tellingCalls === told) return;
      told = tellingCalls;
      await pause(EVENTS_PAUSE_MS);
    }
  }

  async forgetCounts(): Promise<void> {
    await Promise.all([this.registry.call('forget'), this.apiServer.call('forget')]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#samebytes.map(({ stop }) => stop()));
    const called = [this.#load, ...this.#nulls, this.apiServer, this.registry];
    await Promise.all(called.map((process) => process.stop()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #prepare(): Promise<void> {
    const { ca, serving } = await issueCertificates({
      names: ['localhost', '127.0.0.1'],
      notBefore: new Date(),
      validDays: 1,
    });
    const server = await this.apiServer.call<string>('start', serving);
    this.#registryHost = await this.registry.call<string>('start');
    const files = {
      'ca.crt': ca.cert,
      'tls.crt': serving.cert,
      'tls.key': serving.key,
      kubeconfig: kubeconfigOf({ server, ca: this.#file('ca.crt') }, 'bench'),
      'settings.yaml': stringify(this.#settings()),
    };
    await Promise.all(
      Object.entries(files).map(([name, text]) => writeFile(this.#file(name), text, { mode: 0o600 })),
    );
    await Promise.all([
      this.#bundle('samebytes.mjs', 'src/main.ts'),
      this.#bundle('null-webhook.mjs', 'bench/null-webhook.ts'),
    ]);
  }

  #settings(): object {
    return {
      webhook: {
        host: '127.0.0.1',
        port: 0,
        certFile: this.#file('tls.crt'),
        keyFile: this.#file('tls.key'),
      },
      health: { host: '127.0.0.1', port: 0 },
      dashboard: { port: 0 },
      shutdown: { drainMs: 0 },
      kubernetes: { kubeconfig: this.#file('kubeconfig') },
      registries: [{ host: this.#registryHost, insecure: true, allowLoopback: true }],
      ...this.#moreSettings,
    };
  }

  async #bundle(name: string, entry: string): Promise<void> {
    await run(process.execPath, ['tools/bundle.ts', this.#file(name), entry], { cwd: ROOT });
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }
}

function webhookAt(name: string, { webhookPort, healthPort }: Ports): OwnWebhook {
  return {
    name,
    url: `https://127.0.0.1:${webhookPort}/mutate/enabled?timeout=5s`,
    usage: async () => readUsage(healthPort),
  };
}
