import { validateHeaderName, validateHeaderValue } from 'node:http';
import { request, type Dispatcher } from 'undici';
import { Gate } from '../flight/gate.ts';
import { GrowingBytes } from '../flight/growing-bytes.ts';
import { untilAborted } from '../flight/until-aborted.ts';
import { limitOf, type WatchedLimits } from '../telemetry/limits.ts';

/** More than the API server lets a Pod have; what is larger is a list of which fewer can be asked for. */
export class AnswerTooLargeError extends Error {
  override readonly name = 'AnswerTooLargeError';
  readonly code = 'answer_too_large';
}

export interface ApiCall {
  readonly url: string;
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly dispatcher?: Dispatcher;
  readonly signal: AbortSignal;
  /** How long the answer may say nothing, in milliseconds; the dispatcher's own limit where it is not set. */
  readonly bodyTimeout?: number;
}

export interface ApiAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: Buffer;
}

/** So many calls, and connections, there are at once. */
export const MAX_CALLS = 16;
/** Several calls of each decision that may be made at once. */
const MAX_WAITING = 4_096;
/** As much as a review of ours may have. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * The only way of HTTP calls to the API server: so many at once, the others wait here until their signal. undici has a queue of
 * its own, in which what was given up stays until there is a connection for it: while there is none, for ever.
 */
export class ApiTransport {
  readonly #calls = new Gate({
    capacity: MAX_CALLS,
    maxWaiting: MAX_WAITING,
    // After an outage the oldest would be given up while their connections are made, and undici would throw those away.
    order: 'newest first',
  });

  get limits(): WatchedLimits {
    return {
      api_calls: limitOf(() => this.#calls.inside, MAX_CALLS),
      api_calls_waiting: limitOf(() => this.#calls.waiting, MAX_WAITING),
    };
  }

  /**
   * Sends one call and reads its answer, whatever its status.
   * @throws {AnswerTooLargeError}, {@link GateError} where too many wait, the connection's error, or the signal's reason.
   */
  async send(call: ApiCall): Promise<ApiAnswer> {
    const { statusCode: status, headers, body } = await this.open(call);
    const bytes = limitedBytes('the answer');
    try {
      for await (const piece of body as AsyncIterable<Buffer>) bytes.add(piece);
      return { status, headers, body: bytes.take() };
    } finally {
      // Where it was not read to its end, this ends the connection.
      body.destroy();
    }
  }

  /**
   * Sends one call; resolves once its answer has begun. It counts until its body is read to the end, or destroyed.
   * @throws as {@link send} does.
   */
  async open(call: ApiCall): Promise<Dispatcher.ResponseData> {
    return untilAborted(this.#open(call), call.signal);
  }

  async #open({ url, headers, ...options }: ApiCall): Promise<Dispatcher.ResponseData> {
    const { signal } = options;
    signal.throwIfAborted();
    checkHeaders(headers);
    const leave = await this.#calls.enter(1, signal);
    try {
      signal.throwIfAborted();
      const answer = await request(url, {
        ...options,
        headers: { 'accept-encoding': 'identity', ...headers },
      });
      answer.body.once('close', leave);
      // An error before anybody reads, or after, would end the process.
      answer.body.on('error', () => {});
      if (signal.aborted) answer.body.destroy();
      return answer;
    } catch (error) {
      leave();
      throw error;
    }
  }
}

/** An undici pool takes a header that it cannot send for a busy connection, and never uses that one again. */
function checkHeaders(headers: ApiCall['headers']): void {
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
}

/** Room for what the API server sends: one answer, or one event of a watch. More is an {@link AnswerTooLargeError}. */
export function limitedBytes(what: string): GrowingBytes {
  const tooMany = (): Error => new AnswerTooLargeError(`${what} is larger than ${MAX_ANSWER_BYTES} bytes`);
  return new GrowingBytes({ maxBytes: MAX_ANSWER_BYTES, reserve: () => {}, tooMany });
}
