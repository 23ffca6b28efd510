import { createHash } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { imageManifest } from '../src/demo/oci-registry.ts';
import { answerCalls } from './calls.ts';

// A registry in which every tag exists, as far away as the bench says; it counts what it is asked.

/** What the registry was asked since it was last told to forget. */
export interface RegistryCounts {
  readonly requests: number;
  /** The most requests for one and the same manifest that were under way at once. */
  readonly mostAtOncePerImage: number;
  /** The most requests that one and the same manifest got. */
  readonly mostPerImage: number;
}

const MANIFEST = /^\/v2\/(.+)\/manifests\/([A-Za-z0-9._:-]+)$/;
const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';

let delayMs = 0;
let requests = 0;
let mostAtOncePerImage = 0;
let perImage = new Map<string, number>();
const underWay = new Map<string, number>();
/** Contents of manifests by digest, for clients that read them. */
const manifests = new Map<string, string>();
const MAX_MANIFESTS = 1_000;
let server: http.Server | undefined;
let port = 0;

answerCalls({
  start: async (): Promise<string> => {
    const started = http.createServer((request, response) => void answer(request, response));
    server = started;
    await new Promise<void>((resolve) => started.listen(port, '127.0.0.1', resolve));
    const address = started.address();
    if (typeof address === 'object') port = address?.port ?? 0;
    return `127.0.0.1:${port}`;
  },
  stop: (): void => {
    server?.close();
    server?.closeAllConnections();
  },
  delay: (timeMs: number): void => void (delayMs = timeMs),
  forget: (): void => {
    requests = 0;
    mostAtOncePerImage = 0;
    perImage = new Map();
  },
  counts: (): RegistryCounts => ({
    requests,
    mostAtOncePerImage,
    mostPerImage: Math.max(0, ...new Set(perImage.values())),
  }),
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '';
  requests += 1;
  perImage.set(path, (perImage.get(path) ?? 0) + 1);
  const atOnce = (underWay.get(path) ?? 0) + 1;
  underWay.set(path, atOnce);
  mostAtOncePerImage = Math.max(mostAtOncePerImage, atOnce);
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (underWay.get(path) === 1) underWay.delete(path);
  else underWay.set(path, (underWay.get(path) ?? 1) - 1);
  send(request, response, path);
}

function send(request: IncomingMessage, response: ServerResponse, path: string): void {
  const [, repository = '', reference = ''] = MANIFEST.exec(path) ?? [];
  const isDigest = reference.includes(':');
  const text = isDigest ? manifests.get(reference) : imageManifest(`${repository}:${reference}`);
  if (repository === '' || text === undefined) {
    response.writeHead(path === '/v2/' ? 200 : 404).end();
    return;
  }
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  if (manifests.size < MAX_MANIFESTS) manifests.set(digest, text);
  response.writeHead(200, {
    'content-type': MEDIA_TYPE,
    'content-length': Buffer.byteLength(text),
    'docker-content-digest': digest,
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}
