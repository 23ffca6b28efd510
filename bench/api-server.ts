import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { answerCalls } from './calls.ts';

// Plays what samebytes asks of an API server: ImagePins, which it keeps and lists, lists of Pods, which are empty, a watch, events.
// A real one would be what is measured; `--cluster` measures with one.

/** What the API server was asked since it was last told to forget; the watch apart. */
export interface ApiCounts {
  /** Those that Pods wait for. */
  readonly calls: number;
  /** Those that nobody waits for: events, and what is looked up for them. */
  readonly tellingCalls: number;
  /** New connections. */
  readonly connections: number;
}

const PINS = /^\/apis\/samebytes\.dev\/v1alpha1\/namespaces\/([^/]+)\/imagepins(?:\/([^/?]+))?/;
const TELLING = /\/(?:events|replicasets\/[^/]+)$/;

const BOOKMARK_MS = 20_000;

let calls = 0;
let tellingCalls = 0;
let connections = 0;
let version = 1;
/** By namespace and name. */
const pins = new Map<string, Map<string, string>>();

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
    tellingCalls = 0;
    connections = 0;
  },
  counts: (): ApiCounts => ({ calls, tellingCalls, connections }),
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
  const [isPin, namespace = '', name] = PINS.exec(url.pathname) ?? [];
  const isList = isPin !== undefined && name === undefined && request.method === 'GET';
  if (isList || TELLING.test(url.pathname)) tellingCalls += 1;
  else calls += 1;
  const kept = keptIn(namespace);
  if (isList) return send(response, 200, page(kept, url.searchParams));
  if (TELLING.test(url.pathname)) return tell(request, response);
  if (isPin === undefined) return send(response, 200, JSON.stringify(emptyList()));
  if (request.method === 'POST') return create(keptIn(namespace), request, response);
  const found = kept.get(name ?? '');
  return found === undefined ? send(response, 404, status(404)) : send(response, 200, found);
}

function keptIn(namespace: string): Map<string, string> {
  const known = pins.get(namespace);
  if (known !== undefined) return known;
  const kept = new Map<string, string>();
  pins.set(namespace, kept);
  return kept;
}

/** Events are taken; of the owners that are looked up for them nobody is there any more. */
function tell(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  if (request.method === 'GET') send(response, 404, status(404));
  else send(response, 201, JSON.stringify({ apiVersion: 'v1', kind: 'Event', metadata: {} }));
}

/** One page of a list, as the API server gives it: `continue` is where the next one begins. */
function page(kept: ReadonlyMap<string, string>, query: URLSearchParams): string {
  const start = Number(query.get('continue') ?? '0');
  const end = start + Number(query.get('limit') ?? kept.size);
  const next = end < kept.size ? String(end) : '';
  const metadata = JSON.stringify({ resourceVersion: String(version), continue: next });
  const items = [...kept.values()].slice(start, end).join(',');
  return `{"apiVersion":"samebytes.dev/v1alpha1","kind":"ImagePinList","metadata":${metadata},"items":[${items}]}`;
}

async function create(
  kept: Map<string, string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
  const object = JSON.parse(text) as { metadata: { name: string } & Record<string, string> };
  if (kept.has(object.metadata.name)) return send(response, 409, status(409));
  version += 1;
  Object.assign(object.metadata, { uid: randomUUID(), resourceVersion: String(version) });
  const stored = JSON.stringify(object);
  kept.set(object.metadata.name, stored);
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
