import http from 'node:http';
import https, { type RequestOptions } from 'node:https';
import { createInterface } from 'node:readline';
import type { KubeConfig } from '@kubernetes/client-node';
import { isObject, parseObject, type JsonObject } from '../json/json-object.ts';

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
/** After so much silence TCP asks whether the other side is still there. */
const PROBE_AFTER_MS = 5_000;
/** A list of metadata is small; what is larger is not one. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/**
 * Lists and watches of metadata alone. The generated client can do neither: it has no PartialObjectMetadata, and its
 * Watch gives up after half a minute of silence, while bookmarks come once a minute.
 */
export class MetadataApi {
  readonly #cluster: KubeConfig;

  constructor(cluster: KubeConfig) {
    this.#cluster = cluster;
  }

  /** The list at `path`, as it was answered. @throws {MetadataApiError} or the connection's error. */
  async list(path: string, signal: AbortSignal): Promise<JsonObject> {
    const answer = await this.#open(path, ACCEPT.list, signal);
    let bytes = 0;
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) {
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
    const answer = await this.#open(path, ACCEPT.watch, signal);
    answer.setTimeout(silenceMs, () => answer.destroy(new Error(`the watch was silent for ${silenceMs} ms`)));
    try {
      for await (const line of createInterface({ input: answer })) {
        const event = parseObject(line);
        if (typeof event?.['type'] !== 'string' || !isObject(event['object'])) {
          throw new Error('the watch sent what is no event');
        }
        yield { type: event['type'], object: event['object'] };
      }
      // readline ends quietly where the connection breaks.
      if (answer.errored !== null) throw answer.errored;
      if (!answer.complete) throw new Error('the watch broke off');
    } finally {
      answer.destroy();
    }
  }

  async #open(path: string, accept: string, signal: AbortSignal): Promise<http.IncomingMessage> {
    const url = new URL(`${this.#cluster.getCurrentCluster()?.server ?? ''}${path}`);
    const options: RequestOptions = {};
    await this.#cluster.applyToHTTPSOptions(options);
    const isPlain = url.protocol === 'http:';
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const { request } = isPlain ? http : https;
    const sent = request(url, { ...options, ...(isPlain ? { agent: undefined } : {}), signal }, resolve);
    sent.setHeader('accept', accept);
    // A peer that is gone without a word is noticed in seconds, not when the next bookmark is missing.
    sent.setSocketKeepAlive(true, PROBE_AFTER_MS);
    // Also after the answer has begun: without a listener an error would end the process.
    sent.on('error', reject);
    sent.end();
    const answer = await promise;
    if (answer.statusCode === 200) return answer;
    answer.resume();
    throw new MetadataApiError(answer.statusCode ?? 0);
  }
}
