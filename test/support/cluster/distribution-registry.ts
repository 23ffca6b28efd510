import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import { ChildProcess } from '../child-process.ts';
import { freePorts } from '../free-ports.ts';
import { until } from '../until.ts';
import { findProgram } from './binaries.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';

/** Sections of the registry's own configuration. */
export interface GuardSettings {
  readonly auth?: Readonly<Record<string, object>>;
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** Those who may use a private registry, with their passwords. */
export const REGISTRY_USERS = {
  ann: 'planted-password-of-ann',
  bob: 'planted-password-of-bob',
} as const;

/** The same for the registry, which takes bcrypt only. */
const HTPASSWD = [
  'ann:$2a$04$S45jN//XX16iZkySHNJP.uydULEY3PGb6oBA6O9slvyfGxfTAVRHW',
  'bob:$2a$04$NpF.0.BHU4LOHXgJEhuGrOfLV6FFxgQe2LUhZvg04ZNOBYEf9HvWa',
].join('\n');

export interface RegistryOptions {
  /** It takes nobody but {@link REGISTRY_USERS}, and speaks TLS, since passwords go over the wire. */
  readonly private?: boolean;
}

/** The distribution project's registry, in a process of its own; its content outlives `stop` until `remove`. */
export class DistributionRegistry {
  readonly #directory: string;
  readonly #port: number;
  readonly #isPrivate: boolean;
  #agent = new Agent();
  #process: ChildProcess | undefined;
  /** What it logged before it was stopped last. */
  #earlier = '';

  private constructor(directory: string, port: number, isPrivate: boolean) {
    this.#directory = directory;
    this.#port = port;
    this.#isPrivate = isPrivate;
  }

  static async start(options: RegistryOptions = {}): Promise<DistributionRegistry> {
    const directory = await mkdtemp(join(tmpdir(), 'samebytes-registry-'));
    const [port = 0] = await freePorts(1);
    const registry = new DistributionRegistry(directory, port, options.private ?? false);
    if (options.private) await registry.#writeSecrets();
    await registry.start();
    return registry;
  }

  /** As it stands in images. */
  get host(): string {
    return `localhost:${this.#port}`;
  }

  /** Whoever is to trust a private registry needs this file. */
  get caFile(): string {
    return join(this.#directory, 'ca.crt');
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  /** Starts it, with more settings of its own: who is let in (`auth`), or its certificate (`tls`). */
  async start({ auth, tls }: GuardSettings = {}): Promise<void> {
    const root = join(this.#directory, 'data');
    await mkdir(root, { recursive: true });
    const config = {
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: root, maxthreads: 100 }, delete: { enabled: true } },
      http: { addr: `127.0.0.1:${this.#port}`, ...(this.#isPrivate ? { tls: this.#tls } : tls && { tls }) },
      ...(this.#isPrivate
        ? { auth: { htpasswd: { realm: 'test', path: this.#file('htpasswd') } } }
        : auth && { auth }),
    };
    const file = join(this.#directory, 'config.yaml');
    await writeFile(file, JSON.stringify(config));
    const command = findProgram('registry') ?? 'registry';
    const env = { OTEL_TRACES_EXPORTER: 'none' };
    this.#process = new ChildProcess({ command, args: ['serve', file], env });
    await until('the registry', async () => {
      const { statusCode, body } = await this.#request('GET', '');
      await body.dump();
      // Over TLS it answers such a request with 400.
      return statusCode === (tls ? 400 : auth ? 401 : 200);
    });
  }

  async stop(): Promise<void> {
    const stopping = this.#process;
    this.#process = undefined;
    await stopping?.stop();
    this.#earlier += stopping?.stdout ?? '';
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.#agent.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Makes a tag mean an image that differs from every other by `content`; returns its digest. */
  async push(repository: string, tag: string, content: string): Promise<string> {
    const config = await this.#blob(repository, Buffer.from(JSON.stringify({ content })));
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, ...config },
      layers: [],
      annotations: { content },
    };
    return this.#manifest(repository, tag, manifest, MANIFEST);
  }

  /** As {@link push}, an index over one manifest per platform; returns the index' digest and theirs. */
  async pushIndex(
    repository: string,
    tag: string,
    content: string,
    platforms: readonly string[],
  ): Promise<{ digest: string; manifests: readonly string[] }> {
    const digests = [];
    for (const platform of platforms) {
      digests.push(await this.push(repository, `part-${platform}`, `${content} ${platform}`));
    }
    const manifests = digests.map((digest, index) => ({
      mediaType: MANIFEST,
      digest,
      size: 1,
      platform: { os: 'linux', architecture: platforms[index] },
    }));
    const index = { schemaVersion: 2, mediaType: INDEX, manifests, annotations: { content } };
    const digest = await this.#manifest(repository, tag, index, INDEX);
    return { digest, manifests: digests };
  }

  async deleteManifest(repository: string, digest: string): Promise<void> {
    const { statusCode, body } = await this.#request('DELETE', `${repository}/manifests/${digest}`);
    if (statusCode !== 202) throw new Error(`delete ${digest}: ${statusCode} ${await body.text()}`);
    await body.dump();
  }

  /** Questions for manifests so far, pushes apart: `HEAD /v2/shop/web/manifests/1.0`. */
  get manifestRequests(): string[] {
    const text = this.#earlier + (this.#process?.stdout ?? '');
    return [...text.matchAll(/"((?:HEAD|GET) \/v2\/\S+\/manifests\/\S+) HTTP/g)].map(([, line = '']) => line);
  }

  async #blob(repository: string, bytes: Buffer): Promise<{ digest: string; size: number }> {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const begun = await this.#request('POST', `${repository}/blobs/uploads/`);
    await begun.body.dump();
    const location = new URL(String(begun.headers['location']), this.#url);
    location.searchParams.set('digest', digest);
    const done = await this.#request('PUT', location, bytes, 'application/octet-stream');
    if (done.statusCode !== 201) throw new Error(`blob: ${done.statusCode} ${await done.body.text()}`);
    await done.body.dump();
    return { digest, size: bytes.length };
  }

  async #manifest(repository: string, tag: string, manifest: object, type: string): Promise<string> {
    const path = `${repository}/manifests/${tag}`;
    const { statusCode, headers, body } = await this.#request('PUT', path, JSON.stringify(manifest), type);
    const text = await body.text();
    if (statusCode !== 201) throw new Error(`manifest: ${statusCode} ${text}`);
    return String(headers['docker-content-digest']);
  }

  /** Sends a request to a path below `/v2/`, or to where the registry says, as one of its users. */
  async #request(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string | URL,
    body: string | Buffer | null = null,
    type = '',
  ): ReturnType<typeof request> {
    const authorization = `Basic ${Buffer.from(`ann:${REGISTRY_USERS.ann}`).toString('base64')}`;
    return request(new URL(path, this.#url), {
      dispatcher: this.#agent,
      method,
      headers: {
        ...(type === '' ? {} : { 'content-type': type }),
        ...(this.#isPrivate ? { authorization } : {}),
      },
      body,
      // One that was stopped and started again answers on no connection of before.
      reset: method === 'GET',
    });
  }

  get #url(): string {
    return `${this.#isPrivate ? 'https' : 'http'}://127.0.0.1:${this.#port}/v2/`;
  }

  get #tls(): object {
    return { certificate: this.#file('tls.crt'), key: this.#file('tls.key') };
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  async #writeSecrets(): Promise<void> {
    const { ca, serving } = await issueCertificates({
      names: ['localhost', '127.0.0.1'],
      notBefore: new Date(),
      validDays: 1,
    });
    this.#agent = new Agent({ connect: { ca: ca.cert } });
    const files = { 'ca.crt': ca.cert, 'tls.crt': serving.cert, 'tls.key': serving.key, htpasswd: HTPASSWD };
    await Promise.all(Object.entries(files).map(([name, text]) => writeFile(this.#file(name), text)));
  }
}
