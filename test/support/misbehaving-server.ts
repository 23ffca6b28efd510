import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** A TCP server that does with each connection what a test says, and counts those that are open. */
export class MisbehavingServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(behave: (socket: Socket) => void): Promise<MisbehavingServer> {
    const server = createServer();
    const started = new MisbehavingServer(server);
    server.on('connection', (socket) => {
      started.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => started.#sockets.delete(socket));
      behave(socket);
      // A socket that is never read never learns that the other side has gone.
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return started;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers the first request of a connection with these bytes, and leaves the connection open. */
export function answering(text: string): (socket: Socket) => void {
  return (socket) => void socket.once('data', () => void socket.write(text));
}
