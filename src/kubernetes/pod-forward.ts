import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { PortForward, type KubeConfig } from '@kubernetes/client-node';
import { WebSocketHandler } from '@kubernetes/client-node/dist/web-socket-handler.js';
import { WebSocket } from 'ws';

export interface PodForwardOptions {
  readonly cluster: KubeConfig;
  readonly namespace: string;
  readonly pod: string;
  readonly podPort: number;
  /** On 127.0.0.1; 0 takes a free one. */
  readonly localPort: number;
  /** A connection failed: the status that the API server refused it with, or what the Pod's side said. */
  readonly onError: (problem: ForwardProblem) => void;
}

export interface ForwardProblem {
  /** The API server's status; undefined where it let us through. */
  readonly status: number | undefined;
  readonly message: string;
}

const MAX_MESSAGE_LENGTH = 500;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A port of this machine that leads to a port of a Pod, through the API server and with its access rules. */
export class PodForward {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Resolves when it listens. @throws where the port cannot be used. */
  static async open(options: PodForwardOptions): Promise<PodForward> {
    const server = createServer();
    const forward = new PodForward(server);
    server.on('connection', (socket) => {
      forward.#sockets.add(socket);
      socket.once('close', () => forward.#sockets.delete(socket));
      // A browser may go away in the middle of anything.
      socket.on('error', () => socket.destroy());
      connect(socket, options).catch((error: unknown) => {
        // Whoever went away first needs no reason.
        if (!socket.destroyed) options.onError(problemOf(error));
        socket.destroy();
      });
    });
    server.listen({ host: '127.0.0.1', port: options.localPort });
    await once(server, 'listening');
    return forward;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** One connection through the API server for each one that is made to us. */
async function connect(
  socket: Socket,
  { cluster, namespace, pod, podPort, onError }: PodForwardOptions,
): Promise<void> {
  const errors = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      // The first piece holds the port's number alone, which the client takes away.
      if (chunk.length > 0) {
        onError({ status: undefined, message: chunk.toString('utf8').trim().slice(0, MAX_MESSAGE_LENGTH) });
        socket.destroy();
      }
      done();
    },
  });
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (socket.writable) socket.write(chunk);
      done();
    },
  });
  const handler = new WebSocketHandler(cluster, (url, protocols, options) => {
    const opened = new WebSocket(url, protocols, { ...options, handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
    opened.once('close', () => socket.end());
    // At once: an API server that hangs would never answer a polite goodbye, nor let this process end.
    if (socket.destroyed) opened.terminate();
    else socket.once('close', () => opened.terminate());
    return opened;
  });
  const portForward = new PortForward(cluster, true, handler);
  await portForward.portForward(namespace, pod, [podPort], output, errors, socket);
}

/** The WebSocket library tells the status of a refused handshake in its message alone. */
function problemOf(error: unknown): ForwardProblem {
  const message = isMessage(error) ? error.message : String(error);
  const status = /Unexpected server response: (\d{3})/.exec(message)?.[1];
  return { status: status === undefined ? undefined : Number(status), message };
}

function isMessage(error: unknown): error is { readonly message: string } {
  return (
    typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
  );
}
