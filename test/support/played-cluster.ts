import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { issueCertificates } from '../../src/certificates/authority.ts';

interface Answer {
  readonly status: number;
  readonly body: object;
}
type StoredObject = Record<string, unknown> & { metadata: Record<string, unknown> };

const PINS = /^\/apis\/samebytes\.dev\/v1alpha1(?:\/namespaces\/([^/]+))?\/imagepins(?:\/([^/]+))?$/;
const OK = 200;

/**
 * As much of an API server, over TLS, as a webhook process asks for while it pins Pods; in trouble where a test
 * wants it. For tests of what a process tells about itself: whether pins are right is tested on a real control plane.
 */
export class PlayedCluster {
  /** Every request is answered with 500, and watches end. */
  isDown = false;
  /** The next creations of pins find that somebody was faster, and recorded this digest. */
  rivalDigests: string[] = [];
  /** Pods that are there already, as every list of Pods shows them. */
  pods: readonly object[] = [];
  /** Events, as every list of events shows them. */
  events: readonly object[] = [];
  readonly #pins = new Map<string, StoredObject>();
  readonly #watches = new Set<ServerResponse>();
  #version = 1;
  #server!: Server;
  #ca = '';

  static async start(): Promise<PlayedCluster> {
    const cluster = new PlayedCluster();
    const { ca, serving } = await issueCertificates({
      names: ['127.0.0.1'],
      notBefore: new Date(),
      validDays: 1,
    });
    cluster.#ca = ca.cert;
    cluster.#server = createServer(serving, (request, response) => void cluster.#answer(request, response));
    cluster.#server.listen(0, '127.0.0.1');
    await once(cluster.#server, 'listening');
    return cluster;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** A kubeconfig in JSON, which is YAML. */
  get kubeconfig(): string {
    const server = `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    const ca = Buffer.from(this.#ca).toString('base64');
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'played', cluster: { server, 'certificate-authority-data': ca } }],
      users: [{ name: 'played', user: {} }],
      contexts: [{ name: 'played', context: { cluster: 'played', user: 'played', namespace: 'samebytes' } }],
      'current-context': 'played',
    });
  }

  /** From now on nothing works, and nobody is told of anything. */
  goDown(): void {
    this.isDown = true;
    for (const watch of this.#watches) watch.destroy();
  }

  /** Takes all pins away, as garbage collection does with their owners. */
  endPins(): void {
    for (const object of this.#pins.values()) {
      this.#version += 1;
      const gone = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
      for (const watch of this.#watches)
        watch.write(`${JSON.stringify({ type: 'DELETED', object: gone })}\n`);
    }
    this.#pins.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://played');
    if (url.searchParams.has('watch') && !this.isDown) return this.#watch(response);
    const sent = await text(request);
    const { status, body } = this.isDown
      ? failure(500)
      : this.#serve(request.method ?? '', url.pathname, sent);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #watch(response: ServerResponse): void {
    this.#watches.add(response);
    response.once('close', () => this.#watches.delete(response));
    response.writeHead(OK, { 'content-type': 'application/json' }).flushHeaders();
  }

  #serve(method: string, path: string, sent: string): Answer {
    const [isPin, namespace, name] = PINS.exec(path) ?? [];
    if (isPin !== undefined) {
      if (method === 'POST') return this.#create(namespace ?? '', JSON.parse(sent) as StoredObject);
      if (name === undefined) return this.#list([]);
      const object = this.#pins.get(`${namespace}/${name}`);
      if (object === undefined) return failure(404);
      return { status: OK, body: method === 'PUT' ? this.#store(JSON.parse(sent) as StoredObject) : object };
    }
    if (path.endsWith('/pods')) return this.#list(this.pods);
    if (path.endsWith('/events')) {
      return method === 'POST' ? { status: 201, body: JSON.parse(sent) as object } : this.#list(this.events);
    }
    return failure(404);
  }

  #create(namespace: string, object: StoredObject): Answer {
    const digest = this.rivalDigests.shift();
    if (digest === undefined) return { status: 201, body: this.#store(object) };
    const { images } = object['spec'] as { images: object[] };
    const spec = { ...(object['spec'] as object), images: images.map((image) => ({ ...image, digest })) };
    this.#store({ ...object, metadata: { ...object.metadata, namespace }, spec });
    return failure(409);
  }

  #store(object: StoredObject): StoredObject {
    this.#version += 1;
    const { namespace, name } = object.metadata;
    const uid = object.metadata['uid'] ?? `pin-${this.#version}`;
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid, resourceVersion: String(this.#version) },
    };
    this.#pins.set(`${String(namespace)}/${String(name)}`, stored);
    return stored;
  }

  #list(items: readonly object[]): Answer {
    return {
      status: OK,
      body: { kind: 'List', metadata: { resourceVersion: String(this.#version) }, items },
    };
  }
}

function failure(status: number): Answer {
  return { status, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status } };
}
