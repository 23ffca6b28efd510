import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { answerCalls } from './calls.ts';

// Plays what samebytes asks of an API server: ImagePins, which it keeps, lists of Pods, which are empty, a watch. A real
// one would be what is measured; `--cluster` measures with one.

/** What the API server was asked since it was last told to forget; the watch apart. */
export interface ApiCounts {
  readonly calls: number;
  /** New connections. */
  readonly connections: number;
}

const PINS = /^\/apis\/samebytes\.dev\/v1alpha1\/namespaces\/[^/]+\/imagepins(?:\/([^/?]+))?/;

const BOOKMARK_MS = 20_000;

let calls = 0;
let connections = 0;
let version = 1;
const pins = new Map<string, string>();

const server = https.createServer((request, response) => void answer(request, response));
server.on('secureConnection', () => (connections += 1));
answerCalls({
  start: async (pair: { cert: string; key: string }): Promise<string> => {
    server.setSecureContext(pair);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  },
  forget: (): void => {
    calls = 0;
    connections = 0;
  },
  counts: (): ApiCounts => ({ calls, connections }),
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.searchParams.has('watch')) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    // As the API server does about once a minute: whoever hears none takes the watch for dead.
    const bookmarks = setInterval(() => response.write(`${JSON.stringify(bookmark())}\n`), BOOKMARK_MS);
    response.once('close', () => clearInterval(bookmarks));
    return;
  }
  calls += 1;
  const [isPin, name] = PINS.exec(url.pathname) ?? [];
  if (isPin === undefined) return send(response, 200, JSON.stringify(emptyList()));
  if (request.method === 'POST') return create(request, response);
  const found = pins.get(name ?? '');
  return found === undefined ? send(response, 404, status(404)) : send(response, 200, found);
}

async function create(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
  const object = JSON.parse(text) as { metadata: { name: string } & Record<string, string> };
  if (pins.has(object.metadata.name)) return send(response, 409, status(409));
  version += 1;
  Object.assign(object.metadata, { uid: randomUUID(), resourceVersion: String(version) });
  const stored = JSON.stringify(object);
  pins.set(object.metadata.name, stored);
  send(response, 201, stored);
}

function bookmark(): object {
  const metadata = { resourceVersion: String(version) };
  return {
    type: 'BOOKMARK',
    object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata },
  };
}

function emptyList(): object {
  return { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: String(version) }, items: [] };
}

function status(code: number): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Status', status: 'Failure', code });
}

function send(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
