import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ClusterConnection } from '../../src/kubernetes/cluster-connection.ts';
import { HttpApi } from './http-api.ts';

/** An API server as far as a birth asks one: Secrets by name, and no Pods. Over HTTP, to be read by the real client. */
export class SecretsApi {
  /** May answer a request for a Secret before it is looked for, by ending the response. */
  intercept: ((name: string, response: ServerResponse) => void) | undefined;
  readonly #secrets = new Map<string, object>();
  #api: HttpApi | undefined;

  static async start(): Promise<SecretsApi> {
    const started = new SecretsApi();
    started.#api = await HttpApi.start((request, response) => started.#answer(request, response));
    return started;
  }

  async stop(): Promise<void> {
    await this.#started.stop();
  }

  /** Every request, in order: `GET /api/v1/…`. */
  get asked(): string[] {
    return this.#started.asked;
  }

  get cluster(): ClusterConnection {
    return this.#started.cluster;
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

  get #started(): HttpApi {
    if (this.#api === undefined) throw new Error('it was not started');
    return this.#api;
  }

  #answer({ url = '' }: IncomingMessage, response: ServerResponse): void {
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
