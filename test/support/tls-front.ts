import { connect, type AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { issueCertificates } from '../../src/certificates/authority.ts';

/** Speaks TLS before a server on 127.0.0.1 that does not, with a certificate of a private authority. */
export class TlsFront {
  /** The authority's certificate in PEM. */
  readonly ca: string;
  readonly #server: Server;

  private constructor(server: Server, ca: string) {
    this.#server = server;
    this.ca = ca;
  }

  /** Listens on a free port; `names` are those that the certificate is for. */
  static async before(port: number, names: readonly string[]): Promise<TlsFront> {
    const { ca, serving } = await issueCertificates({ names, notBefore: new Date(), validDays: 1 });
    const server = createServer({ cert: serving.cert, key: serving.key }, (socket) => {
      const behind = connect(port, '127.0.0.1');
      socket.pipe(behind).pipe(socket);
      for (const [one, other] of [
        [socket, behind],
        [behind, socket],
      ] as const) {
        one.on('error', () => other.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TlsFront(server, ca.cert);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
