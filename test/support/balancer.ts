import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { request } from 'undici';

/** A webhook process as the balancer sees it. */
export interface Backend {
  readonly webhookPort: number;
  readonly healthPort: number;
}

interface Tracked extends Backend {
  /** When it was last seen ready; before the first time never. */
  readyAtMs: number;
}

/** How often `/readyz` is read, as the manifests' probe does about. */
const PROBE_MS = 1_000;
/** How long a process that is not ready any more still gets connections: endpoints take a while to spread. */
const LINGER_MS = 2_000;

/**
 * Stands for kube-proxy before several webhook processes: spreads TCP connections over those that are ready, and knows
 * nothing of what is in them. A process that has died still gets connections until its probe says so.
 */
export class Balancer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #backends = new Map<string, Tracked>();
  readonly #probes: NodeJS.Timeout;
  #turn = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (client: Socket) => this.#forward(client));
    this.#probes = setInterval(() => void this.#probeAll(), PROBE_MS);
  }

  static async start(): Promise<Balancer> {
    const server = createServer();
    const balancer = new Balancer(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sends connections to this process too, from when it is first seen ready; `name` says which one it replaces. */
  async add(name: string, backend: Backend): Promise<void> {
    const tracked = { ...backend, readyAtMs: -Infinity };
    this.#backends.set(name, tracked);
    await probe(tracked);
  }

  async stop(): Promise<void> {
    clearInterval(this.#probes);
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server.close(), 'close');
  }

  async #probeAll(): Promise<void> {
    await Promise.all([...this.#backends.values()].map(probe));
  }

  #forward(client: Socket): void {
    const now = performance.now();
    const open = [...this.#backends.values()].filter(({ readyAtMs }) => now - readyAtMs < LINGER_MS);
    this.#turn += 1;
    const backend = open[this.#turn % Math.max(open.length, 1)];
    this.#track(client);
    if (backend === undefined) {
      client.destroy();
      return;
    }
    const server = connect(backend.webhookPort, '127.0.0.1');
    this.#track(server);
    client.pipe(server).pipe(client);
    client.once('close', () => server.destroy());
    server.once('close', () => client.destroy());
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

async function probe(backend: Tracked): Promise<void> {
  try {
    const answer = await request(`http://127.0.0.1:${backend.healthPort}/readyz`, {
      headersTimeout: PROBE_MS,
      reset: true,
    });
    await answer.body.dump();
    if (answer.statusCode === 200) backend.readyAtMs = performance.now();
  } catch {
    // Not ready: that is all that a probe can tell.
  }
}
