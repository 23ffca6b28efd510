import { createInterface } from 'node:readline';
import { request, type Dispatcher } from 'undici';
import { isObject, parseObject, type JsonObject } from '../json/json-object.ts';
import type { ClusterConnection } from './cluster-connection.ts';

/** An answer of the API server that is no success. */
export class MetadataApiError extends Error {
  override readonly name = 'MetadataApiError';
  readonly code = 'api_answer';
  readonly status: number;

  constructor(status: number) {
    super(`the API server answered with status ${status}`);
    this.status = status;
  }
}

const AS = 'g=meta.k8s.io;v=v1';
const ACCEPT = {
  list: `application/json;as=PartialObjectMetadataList;${AS}`,
  watch: `application/json;as=PartialObjectMetadata;${AS}`,
} as const;
/** A list of metadata is small; what is larger is not one. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;
/** So much of an answer that is not read is taken in order to keep its connection. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Lists and watches of metadata alone. The generated client can do neither: it has no PartialObjectMetadata, and its
 * Watch gives up after half a minute of silence, while bookmarks come once a minute.
 */
export class MetadataApi {
  readonly #cluster: ClusterConnection;

  constructor(cluster: ClusterConnection) {
    this.#cluster = cluster;
  }

  /** The list at `path`, as it was answered. @throws {MetadataApiError} or the connection's error. */
  async list(path: string, signal: AbortSignal): Promise<JsonObject> {
    const body = await this.#open(path, ACCEPT.list, signal);
    let bytes = 0;
    const chunks: Buffer[] = [];
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_LIST_BYTES) throw new Error('the list is too large');
      chunks.push(chunk);
    }
    const list = parseObject(Buffer.concat(chunks).toString('utf8'));
    if (list === undefined) throw new Error('the answer is not an object');
    return list;
  }

  /** The events of a watch at `path`, until the server ends it. Ends with an error after `silenceMs` without any. */
  async *watch(
    path: string,
    silenceMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly type: string; readonly object: JsonObject }> {
    const body = await this.#open(path, ACCEPT.watch, signal, { bodyTimeout: silenceMs });
    try {
      for await (const line of createInterface({ input: body })) {
        const event = parseObject(line);
        if (typeof event?.['type'] !== 'string' || !isObject(event['object'])) {
          throw new Error('the watch sent what is no event');
        }
        yield { type: event['type'], object: event['object'] };
      }
      // readline ends quietly where the connection breaks.
      if (body.errored !== null) throw body.errored;
    } finally {
      // Whoever stops reading ends the watch.
      body.on('error', () => {}).destroy();
    }
  }

  async #open(
    path: string,
    accept: string,
    signal: AbortSignal,
    timeouts: Pick<Dispatcher.RequestOptions, 'bodyTimeout'> = {},
  ): Promise<Dispatcher.ResponseData['body']> {
    const { headers, dispatcher } = await this.#cluster.prepare();
    const url = `${this.#cluster.getCurrentCluster()?.server ?? ''}${path}`;
    const options = { dispatcher, headers: { ...headers, accept }, signal, ...timeouts };
    const { statusCode, body } = await request(url, options);
    if (statusCode === 200) return body;
    await body.dump({ limit: MAX_ERROR_BYTES }).catch(() => {});
    throw new MetadataApiError(statusCode);
  }
}
