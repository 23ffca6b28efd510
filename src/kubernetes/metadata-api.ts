import { createInterface } from 'node:readline';
import { request, type Dispatcher } from 'undici';
import { untilAborted } from '../flight/until-aborted.ts';
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
      return eventsOf(await this.#open(path, ACCEPT.watch, signals, { bodyTimeout: silenceMs }));
    } finally {
      clearTimeout(timer);
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
    const { statusCode, body } = await untilAborted(answerTo(url, options), signal);
    if (statusCode === 200) return body;
    await body.dump({ limit: MAX_ERROR_BYTES }).catch(() => {});
    throw new MetadataApiError(statusCode);
  }
}

async function answerTo(...asking: Parameters<typeof request>): ReturnType<typeof request> {
  const answer = await request(...asking);
  // An error before anybody reads, or after, would end the process.
  answer.body.on('error', () => {});
  return answer;
}

async function* eventsOf(body: Dispatcher.ResponseData['body']): AsyncGenerator<WatchEvent> {
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
    body.destroy();
  }
}
