import { createHash } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';

/** One request as the registry saw it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<http.IncomingHttpHeaders>;
}

/**
 * May answer a request before the registry does, by ending the response; a promise holds the request until then.
 * This is how tests make the registry misbehave.
 */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

const MANIFEST_PATH = /^\/v2\/(?<repository>[a-z0-9._/-]+)\/manifests\/(?<reference>[A-Za-z0-9._:-]+)$/;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** A registry in this process that speaks the OCI distribution protocol for manifests, on a loopback port. */
export class OciRegistry {
  /** Every request since the start, in order. */
  readonly seen: SeenRequest[] = [];
  intercept: Intercept | undefined;
  readonly #manifests = new Map<string, StoredManifest>();
  readonly #tags = new Map<string, string>();
  #server: http.Server | undefined;
  #port = 0;

  /** Listens on a free port of 127.0.0.1; after a stop, on the same one again. What was pushed is kept. */
  async start(): Promise<void> {
    const server = http.createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
    const address = server.address();
    if (typeof address === 'object') this.#port = address?.port ?? 0;
  }

  /** Cuts every connection and stops listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  /** `127.0.0.1:PORT`, as it stands in images. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The questions for manifests. */
  get manifestRequests(): readonly SeenRequest[] {
    const asking = this.seen.filter(({ method }) => method === 'HEAD' || method === 'GET');
    return asking.filter(({ path }) => path.includes('/manifests/'));
  }

  /** Pushes an image whose bytes follow from `content`, as CI would, over HTTP. Returns its digest. */
  async push(repository: string, tag: string, content: string): Promise<string> {
    const response = await fetch(`http://${this.host}/v2/${repository}/manifests/${tag}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body: imageManifest(content),
    });
    const digest = response.headers.get('docker-content-digest');
    if (response.status !== 201 || digest === null)
      throw new Error(`the push was answered with ${response.status}`);
    return digest;
  }

  /** Deletes a manifest, as a clean-up would, over HTTP. */
  async delete(repository: string, digest: string): Promise<void> {
    const url = `http://${this.host}/v2/${repository}/manifests/${digest}`;
    const response = await fetch(url, { method: 'DELETE' });
    if (response.status !== 202) throw new Error(`the deletion was answered with ${response.status}`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.seen.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers });
    try {
      await this.intercept?.(request, response);
      if (response.writableEnded || response.destroyed) return;
      await this.#serve(request, response);
    } catch {
      response.destroy();
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    if (url.pathname === '/v2/') return void response.writeHead(200).end('{}');
    const { repository = '', reference = '' } = MANIFEST_PATH.exec(url.pathname)?.groups ?? {};
    if (repository === '') return sendError(response, 404, 'UNSUPPORTED');
    if (request.method === 'PUT') return this.#store(request, response, repository, reference);
    if (request.method === 'DELETE') return this.#delete(response, `${repository}@${reference}`);
    if (request.method !== 'HEAD' && request.method !== 'GET') return sendError(response, 405, 'UNSUPPORTED');

    const digest = reference.includes(':') ? reference : this.#tags.get(`${repository}:${reference}`);
    const manifest = digest === undefined ? undefined : this.#manifests.get(`${repository}@${digest}`);
    if (digest === undefined || manifest === undefined) return sendError(response, 404, 'MANIFEST_UNKNOWN');
    const accepted = (request.headers.accept ?? '').split(',').map((type) => type.trim());
    if (!accepted.includes(manifest.mediaType)) return sendError(response, 404, 'MANIFEST_UNKNOWN');
    response.writeHead(200, {
      'content-type': manifest.mediaType,
      'content-length': manifest.bytes.length,
      'docker-content-digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : manifest.bytes);
  }

  /** By digest alone, as the specification has it for manifests; a tag that points there leads to nothing. */
  #delete(response: ServerResponse, key: string): void {
    if (!this.#manifests.delete(key)) return sendError(response, 404, 'MANIFEST_UNKNOWN');
    response.writeHead(202).end();
  }

  async #store(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    reference: string,
  ): Promise<void> {
    const bytes = await readBody(request);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const mediaType = request.headers['content-type'] ?? '';
    this.#manifests.set(`${repository}@${digest}`, { bytes, mediaType });
    if (!reference.includes(':')) this.#tags.set(`${repository}:${reference}`, digest);
    response.writeHead(201, {
      'docker-content-digest': digest,
      location: `/v2/${repository}/manifests/${digest}`,
    });
    response.end();
  }
}

/** An OCI image manifest that differs with `content`, and with nothing else. */
export function imageManifest(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex');
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: `sha256:${hex}`, size: 2 },
    layers: [],
  });
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_MANIFEST_BYTES) throw new Error('the manifest is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** An error as the distribution specification words it; a HEAD gets no body. */
function sendError(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] }));
}
