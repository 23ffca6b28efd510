import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { Slots } from '../flight/slots.ts';
import { limitOf, type LimitState } from '../telemetry/limits.ts';
import type { TlsPair } from './tls-files.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** How many connections may be open at once; further ones are closed at once. */
  readonly maxConnections?: number;
  readonly readTimeouts?: ReadTimeouts;
}

/** How long a client may take to agree on TLS, to send its headers, and a whole request; how often that is looked at. In milliseconds. */
export interface ReadTimeouts {
  readonly handshakeTimeout: number;
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  readonly connectionsCheckingInterval: number;
}

/** A client that sends slowly, or nothing, is cut off: it holds one of few connections. The API server sends a review in one go. */
const READ_TIMEOUTS: ReadTimeouts = {
  handshakeTimeout: 5_000,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
};
/** Longer than the API server's pause between two admissions in a busy cluster, so that connections are reused. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

/** More than probes and Prometheus need. */
const DEFAULT_MAX_CONNECTIONS = 200;

/** An HTTP server that listens; over TLS if it was given a pair. HTTP/1.1, which is what the API server speaks. */
export class Listener {
  readonly #server: http.Server | https.Server;
  readonly #answering = new Slots<http.ServerResponse>();
  #connections = 0;
  #closing = false;

  private constructor(server: http.Server | https.Server) {
    this.#server = server;
  }

  /** Resolves when it listens. @throws where it cannot, e.g. because the port is taken. */
  static async open(
    app: RequestListener,
    { host, port, maxConnections = DEFAULT_MAX_CONNECTIONS, readTimeouts = READ_TIMEOUTS }: ListenOptions,
    tls?: TlsPair,
  ): Promise<Listener> {
    const options = { ...readTimeouts, keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS };
    const server =
      tls === undefined
        ? http.createServer(options, app)
        : https.createServer({ ...options, ...tls, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] }, app);
    server.maxConnections = maxConnections;
    const listener = new Listener(server);
    server.on('connection', (socket: Socket) => listener.#count(socket));
    server.prependListener('request', (_request, response) => listener.#track(response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return listener;
  }

  /** The port that it listens on; 0 once it is closed. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  /** The connections that are open. */
  get connections(): LimitState {
    return limitOf(() => this.#connections, this.#server.maxConnections);
  }

  /** New connections get the new certificate; connections that are open stay as they are. */
  useCertificate(pair: TlsPair): void {
    if (this.#server instanceof https.Server)
      this.#server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' });
  }

  /**
   * From now on every answer, also to requests under way, asks the client to connect anew: by then a Service leads it
   * elsewhere. Connections and requests are still taken.
   */
  announceClose(): void {
    this.#closing = true;
    for (const response of this.#answering.held()) askToReconnect(response);
  }

  /**
   * Takes no more connections, lets requests finish, and closes what is idle. After `graceMs` whatever is left is
   * cut off. Resolves when nothing is open any more.
   */
  async close(graceMs: number): Promise<void> {
    this.announceClose();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(timer);
  }

  #count(socket: Socket): void {
    this.#connections += 1;
    socket.once('close', () => (this.#connections -= 1));
  }

  #track(response: http.ServerResponse): void {
    response.once('close', this.#answering.hold(response));
    if (this.#closing) askToReconnect(response);
  }
}

function askToReconnect(response: http.ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}
