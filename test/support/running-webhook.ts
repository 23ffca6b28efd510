import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterConnection } from '../../src/kubernetes/cluster-connection.ts';
import { applyPatch, type Operation } from 'rfc6902';
import { Agent, request } from 'undici';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { startWebhook, type RunningWebhook } from '../../src/commands/webhook.ts';
import type { DashboardWiring } from '../../src/commands/wire-dashboard.ts';
import { settingsSchema } from '../../src/config/settings.ts';
import { OciRegistry } from '../../src/demo/oci-registry.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { admissionReview } from './pods.ts';

/** The `response` of an AdmissionReview. */
export interface ReviewResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: { readonly code: number; readonly message: string; readonly retryAfterSeconds?: number };
  readonly patch?: string;
  readonly patchType?: string;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What a test puts beside the webhook. */
export interface WebhookSurroundings extends DashboardWiring {
  /** Without one, the webhook has no API server. */
  readonly cluster?: ClusterConnection;
  /** Hosts of further registries on this machine. */
  readonly moreRegistries?: readonly string[];
}

/** A decision in the log, as far as tests look into it without more ado. */
export interface LoggedDecision {
  readonly owner?: string;
  readonly images: readonly object[];
}

/** The whole webhook over real TLS beside a real registry, as `samebytes serve` runs it. */
export class WebhookUnderTest {
  readonly registry = new OciRegistry();
  readonly logged: string[] = [];
  #webhook!: RunningWebhook;
  #agent!: Agent;
  #directory = '';
  #stopped = false;
  ca = '';

  /** Starts everything on free loopback ports; `settings` are merged over the test's own, section by section. */
  static async start(
    settings: Record<string, object> = {},
    beside: WebhookSurroundings = {},
  ): Promise<WebhookUnderTest> {
    const started = new WebhookUnderTest();
    await started.#start(settings, beside);
    return started;
  }

  async #start(
    settings: Record<string, object>,
    { cluster, createDashboard, moreRegistries = [] }: WebhookSurroundings,
  ): Promise<void> {
    await this.registry.start();
    this.#directory = await mkdtemp(join(tmpdir(), 'samebytes-test-'));
    await this.renewCertificate();
    const own: Record<string, object> = {
      webhook: {
        host: '127.0.0.1',
        port: 0,
        certFile: this.certFile,
        keyFile: this.keyFile,
        certReloadMs: 100,
      },
      health: { host: '127.0.0.1', port: 0 },
      dashboard: { port: 0 },
      shutdown: { drainMs: 0, graceMs: 5_000 },
      pins: { store: 'memory' },
    };
    const sections = Object.entries(settings).map(([name, section]) =>
      Array.isArray(section) ? [name, section] : [name, { ...own[name], ...section }],
    );
    // The registry is known by two names.
    const hosts = [
      this.registry.host,
      this.registry.host.replace('127.0.0.1', 'localhost'),
      ...moreRegistries,
    ];
    const registries = hosts.map((host) => ({ host, insecure: true, allowLoopback: true }));
    this.#webhook = await startWebhook({
      ...(createDashboard && { createDashboard }),
      settings: settingsSchema.parse({ registries, ...own, ...Object.fromEntries(sections) }),
      cluster,
      log: createLog({
        level: 'trace',
        pretty: false,
        destination: { write: (line: string) => void this.logged.push(line) },
      }),
      metrics: new Metrics({ processMetrics: false }),
    });
    this.trustCa();
  }

  /** Writes a new CA and serving certificate over the old files. */
  async renewCertificate(): Promise<void> {
    const { ca, serving } = await issueCertificates({
      names: ['localhost', '127.0.0.1'],
      notBefore: new Date(),
      validDays: 1,
    });
    this.ca = ca.cert;
    await Promise.all([writeFile(this.certFile, serving.cert), writeFile(this.keyFile, serving.key)]);
  }

  /** From now on this client trusts the latest CA, and connects anew. */
  trustCa(): void {
    this.#agent = new Agent({ connect: { ca: this.ca }, keepAliveTimeout: 1_000, connections: 128 });
  }

  get certFile(): string {
    return join(this.#directory, 'tls.crt');
  }

  get keyFile(): string {
    return join(this.#directory, 'tls.key');
  }

  get port(): number {
    return this.#webhook.webhookPort;
  }

  /** 0 where the dashboard is turned off. */
  get dashboardPort(): number {
    return this.#webhook.dashboardPort ?? 0;
  }

  /** The image `REGISTRY/shop/web:TAG`. */
  image(tag: string, repository = 'shop/web'): string {
    return `${this.registry.host}/${repository}:${tag}`;
  }

  async post(path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    const answer = await request(`https://localhost:${this.port}${path}`, {
      dispatcher: this.#agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  /** Sends a review and returns the response in it; anything but a well-formed answer throws. */
  async review(review: object, path = '/mutate/enabled?timeout=5s'): Promise<ReviewResponse> {
    const { status, text } = await this.post(path, JSON.stringify(review));
    if (status !== 200) throw new Error(`status ${status}: ${text}`);
    const answer = JSON.parse(text) as { kind: string; apiVersion: string; response: ReviewResponse };
    if (answer.kind !== 'AdmissionReview' || answer.apiVersion !== 'admission.k8s.io/v1')
      throw new Error(text);
    return answer.response;
  }

  /** Creates a Pod and returns its images as they were admitted, in order. @throws where it is refused. */
  async admit(pod: object, path?: string): Promise<string[]> {
    const response = await this.review(admissionReview(pod), path);
    if (!response.allowed) throw new Error(response.status?.message ?? 'refused');
    return imagesOf(patched(pod, response));
  }

  async health(path: string): Promise<HttpAnswer> {
    const answer = await request(`http://127.0.0.1:${this.#webhook.healthPort}${path}`, {
      dispatcher: this.#agent,
    });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  /** The log's lines of all decisions that were answered so far. */
  async admissionsLogged(): Promise<LoggedDecision[]> {
    // Whoever is shown metrics is shown them after every decision was told.
    await this.health('/metrics');
    return this.logged
      .map((line) => JSON.parse(line) as LoggedDecision & { readonly msg: string })
      .filter(({ msg }) => msg === 'admission');
  }

  /** The value of one sample in `/metrics`; 0 where it is not there. */
  async metric(sample: string): Promise<number> {
    const { text } = await this.health('/metrics');
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
    return line === undefined ? 0 : Number(line.slice(sample.length + 1));
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#agent.close();
    await this.#webhook.stop({ drain: false });
    await this.registry.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** What tests look at in an admitted Pod. */
export interface AdmittedPod {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string }[] };
}

/** The Pod after the response's patch, applied by a library that the webhook does not use. */
export function patched(pod: object, response: ReviewResponse): AdmittedPod {
  const copy = structuredClone(pod) as AdmittedPod;
  if (response.patch === undefined) return copy;
  const operations = JSON.parse(Buffer.from(response.patch, 'base64').toString('utf8')) as Operation[];
  const problem = applyPatch(copy, operations).find((result) => result !== null);
  if (problem) throw problem;
  return copy;
}

/** The images of a Pod's containers. */
export function imagesOf(pod: AdmittedPod): string[] {
  return pod.spec.containers.map(({ image }) => image);
}
