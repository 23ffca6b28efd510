import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { imageManifest, OciRegistry } from '../../src/demo/oci-registry.ts';
import { freePorts } from './free-ports.ts';
import { PlayedCluster } from './played-cluster.ts';
import { admissionReview, ownedBy, pod } from './pods.ts';
import { SamebytesProcess } from './processes.ts';

const DIGESTS = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`);
const MAX_RECREATIONS = 2;

/**
 * `samebytes serve` in a process of its own, beside a registry that asks for tokens, one that is down, and a played
 * cluster, and everything that can happen to Pods: so that every metric has something to count.
 */
export class BusyWebhook {
  readonly registry = new OciRegistry();
  readonly #agent: Agent;
  readonly #directory: string;
  readonly #process: SamebytesProcess;
  readonly #ports: { readonly webhookPort: number; readonly healthPort: number };
  readonly cluster: PlayedCluster;
  readonly #deadHost: string;
  #revisions = 0;
  #pushes = 0;

  private constructor(parts: {
    registry: OciRegistry;
    cluster: PlayedCluster;
    agent: Agent;
    directory: string;
    process: SamebytesProcess;
    ports: { webhookPort: number; healthPort: number };
    deadHost: string;
  }) {
    this.registry = parts.registry;
    this.cluster = parts.cluster;
    this.#agent = parts.agent;
    this.#directory = parts.directory;
    this.#process = parts.process;
    this.#ports = parts.ports;
    this.#deadHost = parts.deadHost;
  }

  static async start(): Promise<BusyWebhook> {
    const registry = new OciRegistry();
    const directory = await mkdtemp(join(tmpdir(), 'samebytes-busy-'));
    const [cluster, [deadPort], { ca, serving }] = await Promise.all([
      PlayedCluster.start(),
      freePorts(1),
      issueCertificates({ names: ['localhost'], notBefore: new Date(), validDays: 1 }),
      registry.start(),
    ]);
    const deadHost = `127.0.0.1:${deadPort}`;
    const files = {
      'tls.crt': serving.cert,
      'tls.key': serving.key,
      kubeconfig: cluster.kubeconfig,
      'settings.yaml': settings(directory, registry.host, deadHost),
    };
    const writing = Object.entries(files).map(([name, text]) =>
      writeFile(join(directory, name), text, { mode: 0o600 }),
    );
    await Promise.all(writing);
    const process = new SamebytesProcess(['serve', '--config', join(directory, 'settings.yaml')]);
    const [ready] = await process.printed(/^\{.*"msg":"ready".*\}$/m);
    const ports = JSON.parse(ready) as { webhookPort: number; healthPort: number };
    const agent = new Agent({ connect: { ca: ca.cert }, keepAliveTimeout: 1_000, connections: 16 });
    const parts = { registry, cluster, agent, directory, process, ports, deadHost };
    const busy = new BusyWebhook(parts);
    for (const tag of TAGS) await registry.push('shop/web', tag, tag);
    registry.intercept = misbehave(registry);
    return busy;
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    await this.#agent.close();
    await Promise.all([this.registry.stop(), this.cluster.stop()]);
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** What the process has logged so far. */
  get log(): string {
    return this.#process.stdout;
  }

  get healthPort(): number {
    return this.#ports.healthPort;
  }

  async metrics(): Promise<string> {
    const { body } = await request(`http://127.0.0.1:${this.healthPort}/metrics`, {
      dispatcher: this.#agent,
    });
    return body.text();
  }

  /** One of everything: good and bad. */
  async round(): Promise<void> {
    await this.births();
    await Promise.all([
      this.#refusals(),
      this.#oddities(),
      this.#follow(),
      this.#movedTag(),
      this.#goneDigest(),
    ]);
    await this.#recreations();
  }

  /** A revision is born with three Pods at once, and gets three more after that; another one is split already. */
  async births(): Promise<void> {
    const revision = this.#pod('1.0');
    this.cluster.pods = [];
    await Promise.all([1, 2, 3].map(() => this.#send(revision)));
    for (let count = 0; count < 3; count += 1) await this.#send(revision);

    this.cluster.rivalDigests = [DIGESTS[0] ?? ''];
    await this.#send(this.#pod('1.0'));
    const image = `${this.registry.host}/shop/web:1.0`;
    const uid = `rs-${this.#revisions + 1}`;
    this.cluster.pods = DIGESTS.map((digest) =>
      runningPod(uid, image, `${this.registry.host}/shop/web@${digest}`),
    );
    await this.#send(this.#pod('1.0'));
    this.cluster.pods = [];
    this.cluster.endPins();
  }

  /** Enough distinct revisions that fail: a tag that is not there, and a registry that is down until its breaker opens. */
  async #refusals(): Promise<void> {
    const dead = { name: 'web', image: `${this.#deadHost}/shop/web:1.0` };
    const sending = [this.#pod('missing'), this.#pod('1.0', { spec: { containers: [dead] } })].map(
      async (created) => {
        await this.#send(created);
        // The same revision again: its failure is remembered.
        await this.#send(created);
        await this.#send(created, '/mutate/allow');
      },
    );
    await Promise.all(sending);
    await this.#send(this.#pod('missing'), '/mutate/audit');
  }

  async #oddities(): Promise<void> {
    const optOut = { metadata: { annotations: { 'samebytes.dev/policy': 'off' }, namespace: 'locked' } };
    await this.#send(this.#pod('1.0', optOut), '/mutate', { namespace: 'locked' });
    await this.#send(
      this.#pod('1.0', { spec: { containers: [{ name: 'web', image: `r.test/a@${DIGESTS[0]}` }] } }),
    );
    const liar = { name: 'web', image: `${this.registry.host}/${LIAR}:1.0` };
    await this.#send(this.#pod('1.0', { spec: { containers: [liar] } }));
    await this.#post('/mutate', '{}');
  }

  /** Every Pod asks for a tag: more tags than the cache keeps. */
  async #follow(): Promise<void> {
    const annotations = { 'samebytes.dev/policy': 'follow' };
    for (const tag of [...TAGS, ...TAGS.slice(-1)])
      await this.#send(this.#pod(tag, { metadata: { annotations } }));
  }

  /** A tag moves between the births of two revisions; then the first one gets another Pod. */
  async #movedTag(): Promise<void> {
    const revisions = [this.#pod(MOVING), this.#pod(MOVING)];
    for (const created of [...revisions, ...revisions.slice(0, 1)]) {
      this.#pushes += 1;
      await this.registry.push('shop/web', MOVING, `push ${this.#pushes}`);
      await this.#send(created);
    }
  }

  /** A clean-up deletes what a revision is pinned to. */
  async #goneDigest(): Promise<void> {
    this.#pushes += 1;
    const digest = await this.registry.push(GONE, '1.0', `push ${this.#pushes}`);
    await this.#send(
      this.#pod('1.0', {
        spec: { containers: [{ name: 'web', image: `${this.registry.host}/${GONE}:1.0` }] },
      }),
    );
    await this.registry.delete(GONE, digest);
  }

  /** A Pod with a name comes back over and over, each time after it ran. */
  async #recreations(): Promise<void> {
    this.cluster.events = Array.from({ length: MAX_RECREATIONS }, (_, life) => ({
      reason: 'Started',
      involvedObject: { kind: 'Pod', name: 'db-0', uid: `life-${life}` },
    }));
    const created = this.#pod('1.0', { metadata: { name: 'db-0' } });
    for (let life = 0; life <= MAX_RECREATIONS; life += 1) await this.#send(created);
  }

  /** A Pod of a ReplicaSet that nobody has seen yet. */
  #pod(tag: string, { metadata = {}, spec = {} }: { metadata?: object; spec?: object } = {}): object {
    this.#revisions += 1;
    const uid = `rs-${this.#revisions}`;
    return pod({
      metadata: {
        ownerReferences: [ownedBy('ReplicaSet', uid, 'apps/v1', uid)],
        labels: { 'pod-template-hash': uid },
        ...metadata,
      },
      spec: { containers: [{ name: 'web', image: `${this.registry.host}/shop/web:${tag}` }], ...spec },
    });
  }

  async #send(created: object, path = '/mutate/enabled', fields: object = {}): Promise<void> {
    const status = await this.#post(`${path}?timeout=5s`, JSON.stringify(admissionReview(created, fields)));
    if (status !== 200) throw new Error(`the webhook answered with status ${status}`);
  }

  async #post(path: string, body: string): Promise<number> {
    const answer = await request(`https://localhost:${this.#ports.webhookPort}${path}`, {
      dispatcher: this.#agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    await answer.body.dump();
    return answer.statusCode;
  }
}

const MOVING = 'latest';
const GONE = 'shop/gone';
const TAGS = ['1.0', '1.1', '1.2', '1.3'];
/** Its registry says no digest to HEAD, and to GET another one than that of the bytes. */
const LIAR = 'shop/liar';

function settings(directory: string, host: string, deadHost: string): string {
  return JSON.stringify({
    webhook: {
      host: '127.0.0.1',
      port: 0,
      certFile: join(directory, 'tls.crt'),
      keyFile: join(directory, 'tls.key'),
    },
    health: { host: '127.0.0.1', port: 0 },
    dashboard: { port: 0 },
    shutdown: { drainMs: 0, graceMs: 4_000 },
    kubernetes: { kubeconfig: join(directory, 'kubeconfig') },
    pins: { maxRecreations: MAX_RECREATIONS, checkDigestsEveryMs: 1_000 },
    resolver: { maxTags: TAGS.length - 1 },
    policies: { rules: [{ namespaces: ['locked'], allowOptOut: false }] },
    registries: [host, deadHost].map((each) => ({ host: each, insecure: true, allowLoopback: true })),
  });
}

/** Asks for a token, gives one that lasts, says that few pulls are left, and lies about a digest. */
function misbehave(registry: OciRegistry): (request: IncomingMessage, response: ServerResponse) => void {
  return ({ url = '', headers, method }, response) => {
    if (method === 'PUT' || method === 'DELETE') return;
    response.setHeader('ratelimit-remaining', '15;w=21600');
    if (url.startsWith('/token')) {
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ token: 'sesame' }));
    } else if (headers.authorization !== 'Bearer sesame') {
      const realm = `Bearer realm="http://${registry.host}/token",service="busy"`;
      response.writeHead(401, { 'www-authenticate': realm }).end();
    } else if (url.startsWith(`/v2/${LIAR}/`)) {
      const lie = method === 'HEAD' ? {} : { 'docker-content-digest': DIGESTS[0] };
      response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json', ...lie });
      response.end(method === 'HEAD' ? undefined : imageManifest('liar'));
    }
  };
}

function runningPod(uid: string, image: string, imageID: string): object {
  return {
    metadata: {
      name: `pod-${imageID.slice(-3)}`,
      ownerReferences: [{ uid, controller: true, apiVersion: 'apps/v1', kind: 'ReplicaSet', name: uid }],
    },
    spec: { containers: [{ name: 'web', image }] },
    status: {
      containerStatuses: [{ name: 'web', image, imageID, started: true, ready: true, restartCount: 0 }],
    },
  };
}
