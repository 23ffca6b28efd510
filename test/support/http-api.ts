import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ClusterConnection } from '../../src/kubernetes/cluster-connection.ts';

/** An API server whose answers a test gives, over HTTP, to be read by the real client. */
export class HttpApi {
  /** Every request, in order: `GET /api/v1/…`. */
  readonly asked: string[] = [];
  readonly #server: http.Server;

  private constructor(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#server = http.createServer((request, response) => {
      this.asked.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
  }

  static async start(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<HttpApi> {
    const started = new HttpApi(answer);
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

  /** How to reach it, as the product does. */
  get cluster(): ClusterConnection {
    const { port } = this.#server.address() as AddressInfo;
    const connection = new ClusterConnection({ now: () => performance.now() });
    const cluster = { name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
    connection.loadFromClusterAndUser(cluster, { name: 'u' });
    return connection;
  }
}
