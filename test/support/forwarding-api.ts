import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { freePorts } from './free-ports.ts';

/** A Pod as far as the command looks at it. */
export function webhookPod(name: string, { isReady = true, isEnding = false } = {}): object {
  return {
    metadata: {
      name,
      namespace: 'samebytes',
      ...(isEnding ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    status: { conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] },
  };
}

/**
 * Plays the two parts of an API server that `samebytes dashboard` asks: the list of Pods, and port-forward over
 * WebSocket in the protocol v4.channel.k8s.io as the kubelet's streaming server speaks it (k8s.io/kubelet,
 * pkg/cri/streaming/portforward/websocket.go): a data and an error channel, each of which begins with the port's number.
 */
export class ForwardingApi {
  pods: object[] = [];
  /** Answers the list, or the handshake, with this status instead. */
  listStatus = 200;
  forwardStatus = 101;
  /** Never answers a handshake. */
  hangs = false;
  /** Where the port of every Pod really leads; 0 refuses, as a port that nobody listens on does. */
  target = 0;
  /** Paths of all that was asked, with their queries. */
  readonly asked: string[] = [];
  readonly #server: https.Server;
  readonly #ca: string;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v4.channel.k8s.io' });
  readonly #open = new Set<Duplex>();

  /** A port that nobody listens on. */
  readonly #nowhere: number;

  private constructor(server: https.Server, ca: string, nowhere: number) {
    this.#server = server;
    this.#ca = ca;
    this.#nowhere = nowhere;
  }

  static async start(): Promise<ForwardingApi> {
    const validity = { notBefore: new Date(), validDays: 1 };
    const { ca, serving } = await issueCertificates({ names: ['127.0.0.1'], ...validity });
    const [nowhere = 0] = await freePorts(1);
    const api = new ForwardingApi(https.createServer(serving), ca.cert, nowhere);
    api.#server.on('request', (request, response) => api.#list(request, response));
    api.#server.on('upgrade', (request, socket: Duplex, head) => api.#upgrade(request, socket, head));
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get server(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A kubeconfig that leads here. */
  get kubeconfig(): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      contexts: [
        { name: 'here', context: { cluster: 'here', user: 'me' } },
        { name: 'nowhere', context: { cluster: 'nowhere', user: 'me' } },
      ],
      clusters: [
        { name: 'here', cluster: { server: this.server, 'certificate-authority-data': btoa(this.#ca) } },
        { name: 'nowhere', cluster: { server: `https://127.0.0.1:${this.#nowhere}` } },
      ],
      users: [{ name: 'me', user: { token: 'secret-token' } }],
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #list(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(request.url ?? '');
    const isGood = this.listStatus === 200 && request.headers.authorization === 'Bearer secret-token';
    response.writeHead(isGood ? 200 : this.listStatus, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', items: isGood ? this.pods : [] }));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.asked.push(request.url ?? '');
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (this.hangs) return;
    if (this.forwardStatus !== 101) {
      socket.end(`HTTP/1.1 ${this.forwardStatus} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const port = Number(new URL(request.url ?? '', this.server).searchParams.get('ports'));
    this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#forward(opened, port));
  }

  #forward(opened: WebSocket, port: number): void {
    const send = (channel: number, data: Buffer): void =>
      opened.send(Buffer.concat([Buffer.from([channel]), data]));
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    send(0, number);
    send(1, number);
    const inside: Socket = connect(this.target, '127.0.0.1');
    inside.on('data', (data: Buffer) => send(0, data));
    inside.on('error', () => {
      send(
        1,
        Buffer.from(
          `error forwarding port ${port} to pod: failed to connect to localhost:${port}: connection refused`,
        ),
      );
      opened.close();
    });
    inside.on('close', () => opened.close());
    opened.on('message', (data: Buffer) => inside.write(data.subarray(1)));
    opened.on('close', () => inside.destroy());
  }
}
