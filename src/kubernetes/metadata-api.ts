import type { Dispatcher } from 'undici';
import { isObject, parseObject, type JsonObject } from '../json/json-object.ts';
import { limitedBytes, type ApiCall } from './api-transport.ts';
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

export interface WatchEvent {
  readonly type: string;
  readonly object: JsonObject;
}

/** How long a watch may take to begin, and to say something again. */
export interface WatchTimeouts {
  readonly openTimeoutMs: number;
  readonly silenceMs: number;
}

const AS = 'g=meta.k8s.io;v=v1';
const ACCEPT = {
  list: `application/json;as=PartialObjectMetadataList;${AS}`,
  watch: `application/json;as=PartialObjectMetadata;${AS}`,
} as const;
/** So much of an answer that is not read is taken in order to keep its connection. */
const MAX_ERROR_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

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
    const { status, body } = await this.#cluster.transport.send(await this.#call(path, ACCEPT.list, signal));
    if (status !== 200) throw new MetadataApiError(status);
    const list = parseObject(body.toString('utf8'));
    if (list === undefined) throw new Error('the answer is not an object');
    return list;
  }

  /**
   * A watch at `path`; resolves once the server has begun to answer, with the events until the server ends it. Those
   * end with an error after a silence, or with the signal.
   */
  async watch(
    path: string,
    { openTimeoutMs, silenceMs }: WatchTimeouts,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<WatchEvent>> {
    const opening = new AbortController();
    const tooLate = new Error(`no watch began within ${openTimeoutMs} ms`);
    const timer = setTimeout(() => opening.abort(tooLate), openTimeoutMs);
    const signals = AbortSignal.any([signal, opening.signal]);
    try {
      const call = await this.#call(path, ACCEPT.watch, signals);
      const { statusCode, body } = await this.#cluster.transport.open({ ...call, bodyTimeout: silenceMs });
      if (statusCode === 200) return eventsOf(body);
      await body.dump({ limit: MAX_ERROR_BYTES }).catch(() => {});
      throw new MetadataApiError(statusCode);
    } finally {
      clearTimeout(timer);
    }
  }

  async #call(path: string, accept: string, signal: AbortSignal): Promise<ApiCall> {
    const { headers, dispatcher } = await this.#cluster.prepare();
    const url = `${this.#cluster.getCurrentCluster()?.server ?? ''}${path}`;
    return { url, method: 'GET', headers: { ...headers, accept }, dispatcher, signal };
  }
}

async function* eventsOf(body: Dispatcher.ResponseData['body']): AsyncGenerator<WatchEvent> {
  try {
    for await (const line of linesOf(body)) {
      const event = parseObject(line);
      if (typeof event?.['type'] !== 'string' || !isObject(event['object'])) {
        throw new Error('the watch sent what is no event');
      }
      yield { type: event['type'], object: event['object'] };
    }
  } finally {
    // Whoever stops reading ends the watch.
    body.destroy();
  }
}

/** Lines of any answer; one without an end is an error at the size that a whole answer may have. */
async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const line = limitedBytes('an event');
  for await (const piece of body) {
    let start = 0;
    for (let end = piece.indexOf(LINE_FEED); end !== -1; end = piece.indexOf(LINE_FEED, start)) {
      line.add(piece.subarray(start, end));
      yield line.take().toString('utf8');
      start = end + 1;
    }
    line.add(piece.subarray(start));
  }
  const rest = line.take();
  if (rest.length > 0) yield rest.toString('utf8');
}
