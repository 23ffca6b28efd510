import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ClusterConnection } from '../../src/kubernetes/cluster-connection.ts';

/** An API server as far as a birth asks one: Secrets by name, and no Pods. Over HTTP, to be read by the real client. */
export class SecretsApi {
  /** Every request, in order: `GET /api/v1/…`. */
  readonly asked: string[] = [];
  /** May answer a request for a Secret before it is looked for, by ending the response. */
  intercept: ((name: string, response: ServerResponse) => void) | undefined;
  readonly #secrets = new Map<string, object>();
  readonly #server = http.createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<SecretsApi> {
    const started = new SecretsApi();
    await new Promise<void>((resolve) => {
      started.#server.listen(0, '127.0.0.1', resolve);
    });
    return started;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  get cluster(): ClusterConnection {
    const { port } = this.#server.address() as AddressInfo;
    const config = new ClusterConnection({ now: () => performance.now() });
    const cluster = { name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
    config.loadFromClusterAndUser(cluster, { name: 'u' });
    return config;
  }

  /** A Secret of the namespace `shop`; `data` is what it holds, not encoded. */
  put(name: string, type: string, data: Readonly<Record<string, string>>): void {
    const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
    const metadata = { name, namespace: 'shop' };
    this.#secrets.set(name, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      type,
      data: Object.fromEntries(encoded),
    });
  }

  /** The Secrets that were read, by name. */
  get secretsRead(): string[] {
    return this.asked.flatMap(
      (line) => /^GET \/api\/v1\/namespaces\/shop\/secrets\/(\S+)$/.exec(line)?.[1] ?? [],
    );
  }

  #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): void {
    this.asked.push(`${method} ${url}`);
    const [, name] = /\/secrets\/([^/?]+)/.exec(url) ?? [];
    if (name !== undefined) this.intercept?.(name, response);
    if (response.headersSent) return;
    const secret = this.#secrets.get(name ?? '');
    const isPods = url.startsWith('/api/v1/namespaces/shop/pods');
    const found = secret ?? (isPods ? { apiVersion: 'v1', kind: 'PodList', items: [] } : undefined);
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? { apiVersion: 'v1', kind: 'Status', code: 404 }));
  }
}
