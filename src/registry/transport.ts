import { Pool, type Dispatcher } from 'undici';
import { ByteBudget } from '../flight/byte-budget.ts';
import { GrowingBytes } from '../flight/growing-bytes.ts';
import { untilAborted } from '../flight/until-aborted.ts';
import { BoundedCache, type BoundedCacheState } from '../telemetry/bounded-cache.ts';
import { limitOf, type LimitState } from '../telemetry/limits.ts';
import { guardedConnector, type ConnectorOptions } from './connector.ts';
import { RegistryError } from './errors.ts';
import { transportError } from './transport-error.ts';

/** How the connections of one registry, its token server and its redirects are made. */
export interface TransportOptions extends ConnectorOptions {
  readonly userAgent: string;
}

export interface TransportRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** More bytes of body than this are an error, whatever Content-Length says. */
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
}

export interface TransportAnswer {
  readonly status: number;
  /** Header names in lower case; a header that came several times is an array. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The bytes as they came, not decoded; empty for HEAD and for every status but 200. */
  readonly body: Buffer;
}

const ANSWER_TIMEOUT_MS = 3_000;
const DISCARD_TIMEOUT_MS = 500;
const MAX_DISCARDED_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 60_000;
/** Ten images of each of several births at once fly together; what is more waits for a connection. */
const CONNECTIONS_PER_ORIGIN = 64;
/** More could not be served within a question's time even by a quick registry. */
const MAX_WAITING_PER_ORIGIN = 512;
const MAX_ORIGINS = 512;
/** What answers may have sent so far, all together: a strange registry could send 4 MiB on each of its connections, and halt. */
const MAX_ARRIVING_BYTES = 32 * 1024 * 1024;
/** Answers up to here do not count: manifests and tokens are smaller, and must not fail for the sake of large ones. */
const SMALL_BYTES = 16 * 1024;

/**
 * The only way out to registries: every connection's address is checked when it is made, every wait is bounded, no
 * redirect is followed by itself. Connections are kept and shared; the origin that was not used for longest gives
 * up its own when there are too many, so that no flood of hosts can close the way for others.
 */
export class Transport {
  readonly #pools: BoundedCache<string, Pool>;
  readonly #connect: ReturnType<typeof guardedConnector>;
  readonly #userAgent: string;
  readonly #arriving = new ByteBudget(MAX_ARRIVING_BYTES);

  constructor(options: TransportOptions) {
    this.#userAgent = options.userAgent;
    this.#connect = guardedConnector(options);
    this.#pools = new BoundedCache({
      max: MAX_ORIGINS,
      // What is under way ends first.
      dispose: (pool) => void pool.close().catch(() => {}),
    });
  }

  /** How many requests the busiest registry has, under way or waiting. */
  get requests(): LimitState {
    const busiest = (): number => Math.max(0, ...[...this.#pools.values()].map(({ stats }) => stats.size));
    return limitOf(busiest, CONNECTIONS_PER_ORIGIN + MAX_WAITING_PER_ORIGIN);
  }

  /** The origins to which it keeps connections. */
  get origins(): BoundedCacheState {
    return this.#pools;
  }

  /**
   * Sends one request and reads its answer.
   * @throws {RegistryError} `unreachable`, `certificate`, `forbidden_address` or `invalid_answer`; any HTTP status
   * is an answer. Throws the signal's reason once that is aborted.
   */
  async send(request: TransportRequest): Promise<TransportAnswer> {
    const { method, url, signal, body = null } = request;
    const pool = this.#pool(url);
    try {
      const asking = pool.request({
        path: url.pathname + url.search,
        method,
        headers: { 'user-agent': this.#userAgent, 'accept-encoding': 'identity', ...request.headers },
        body,
        // undici closes the connection after each HEAD otherwise, in case a server sends a body with it.
        reset: false,
        signal,
      });
      const answer = await untilAborted(asking, signal);
      const { statusCode: status, headers } = answer;
      const isWanted = method !== 'HEAD' && status === 200;
      if (isWanted) return { status, headers, body: await this.#readAll(answer, request) };
      await discard(answer.body);
      signal.throwIfAborted();
      return { status, headers, body: Buffer.alloc(0) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw transportError(error, url);
    }
  }

  /** Closes all connections; requests under way end first. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    await Promise.all(pools.map((pool) => pool.close()));
    this.#pools.clear();
  }

  async #readAll(
    { headers, body }: Dispatcher.ResponseData,
    { maxBodyBytes: maxBytes, url }: TransportRequest,
  ): Promise<Buffer> {
    const shares: (() => void)[] = [];
    let room = 0;
    const reserve = (bytes: number): void => {
      room += bytes;
      if (room <= SMALL_BYTES) return;
      const giveBack = this.#arriving.take(bytes);
      if (giveBack === undefined) {
        // Others' answers may be the reason: nothing against this registry.
        throw new RegistryError('unreachable', 'too many large answers at once', {
          registry: url.host,
          asked: false,
        });
      }
      shares.push(giveBack);
    };
    const tooMany = (): Error =>
      new RegistryError('invalid_answer', `the answer is larger than ${maxBytes} bytes`, {
        registry: url.host,
      });
    const bytes = new GrowingBytes({ maxBytes, reserve, tooMany });
    try {
      if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooMany();
      for await (const piece of body as AsyncIterable<Buffer>) bytes.add(piece);
      return bytes.take();
    } finally {
      // Where it was not read to its end, this ends the connection.
      body.destroy();
      for (const giveBack of shares) giveBack();
    }
  }

  #pool({ origin, host }: URL): Pool {
    const kept = this.#pools.get(origin);
    if (kept === undefined) {
      const pool = new Pool(origin, {
        connect: this.#connect,
        connections: CONNECTIONS_PER_ORIGIN,
        headersTimeout: ANSWER_TIMEOUT_MS,
        bodyTimeout: ANSWER_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        keepAliveMaxTimeout: KEEP_ALIVE_MS,
        allowH2: false,
      });
      this.#pools.set(origin, pool);
      return pool;
    }
    if (kept.stats.size >= CONNECTIONS_PER_ORIGIN + MAX_WAITING_PER_ORIGIN) {
      throw new RegistryError('unreachable', `too many requests wait for ${host}`, {
        registry: host,
        asked: false,
      });
    }
    return kept;
  }
}

/** Frees the connection for the next request; an answer that goes on and on costs the connection instead. */
async function discard(body: Dispatcher.ResponseData['body']): Promise<void> {
  const timer = setTimeout(() => body.destroy(), DISCARD_TIMEOUT_MS);
  await body.dump({ limit: MAX_DISCARDED_BYTES }).catch(() => {});
  clearTimeout(timer);
}
