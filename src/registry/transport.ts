import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { Agent, buildConnector, errors, type Dispatcher } from 'undici';
import { ForbiddenAddressError, guardedLookup, isForbidden, type AddressRules } from './address-guard.ts';
import { RegistryError } from './errors.ts';

/** How the connections of one registry, its token server and its redirects are made. */
export interface TransportOptions extends AddressRules {
  /** Whether the operator lists this registry; names of unlisted ones are looked up as absolute names. */
  readonly listed: boolean;
  /** More certificate authorities in PEM, trusted beside the usual ones. */
  readonly ca: string | undefined;
  readonly userAgent: string;
}

export interface TransportRequest {
  readonly method: 'GET' | 'HEAD';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
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

const CONNECT_TIMEOUT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;
/** Ten images of each of several births at once fly together; what is more waits for a connection. */
const CONNECTIONS_PER_ORIGIN = 64;
const MAX_ORIGINS = 512;

/**
 * One guarded way out: every connection's address is checked when it is made, every wait is bounded, no redirect
 * is followed by itself. Connections are kept and shared.
 */
export class Transport {
  readonly #agent: Agent;
  readonly #userAgent: string;

  constructor(options: TransportOptions) {
    this.#userAgent = options.userAgent;
    this.#agent = new Agent({
      connect: guardedConnector(options),
      connections: CONNECTIONS_PER_ORIGIN,
      maxOrigins: MAX_ORIGINS,
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: ANSWER_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      allowH2: false,
    });
  }

  /**
   * Sends one request and reads its answer.
   * @throws {RegistryError} `unreachable`, `certificate`, `forbidden_address` or `invalid_answer`; any HTTP status
   * is an answer. Throws the signal's reason once that is aborted.
   */
  async send(request: TransportRequest): Promise<TransportAnswer> {
    try {
      const answer = await this.#agent.request({
        origin: request.url.origin,
        path: request.url.pathname + request.url.search,
        method: request.method,
        headers: { 'user-agent': this.#userAgent, 'accept-encoding': 'identity', ...request.headers },
        signal: request.signal,
      });
      const { statusCode: status, headers } = answer;
      const wanted = request.method === 'GET' && status === 200;
      if (!wanted) await discard(answer.body);
      const body = wanted ? await readAll(answer.body, request) : Buffer.alloc(0);
      return { status, headers, body };
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      throw asRegistryError(error, request.url);
    }
  }

  /** Closes all connections; requests under way end first. */
  async close(): Promise<void> {
    await this.#agent.close();
  }
}

function guardedConnector(options: TransportOptions): buildConnector.connector {
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    lookup: guardedLookup(options, { absolute: !options.listed }),
    ...(options.ca === undefined ? {} : { ca: [...rootCertificates, options.ca] }),
  });
  return (target, callback) => {
    // No lookup is made for an address literal, and localhost is this machine whatever a name server says (RFC 6761).
    const host = target.hostname.replace(/^\[|\]$/g, '');
    const closed =
      isIP(host) === 0 ? host === 'localhost' && !options.allowLoopback : isForbidden(host, options);
    if (closed) return callback(new ForbiddenAddressError(`the address ${host} is closed`), null);
    return connect(target, callback);
  };
}

/** Frees the connection for the next request; an answer that goes on and on costs the connection instead. */
async function discard(body: Dispatcher.ResponseData['body']): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => {});
}

async function readAll(body: Dispatcher.ResponseData['body'], request: TransportRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > request.maxBodyBytes) {
      throw new RegistryError('invalid_answer', `the answer is larger than ${request.maxBodyBytes} bytes`, {
        registry: request.url.host,
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

const CERTIFICATE_CODE = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/;

function asRegistryError(error: unknown, url: URL): RegistryError {
  if (error instanceof RegistryError) return error;
  const details = { registry: url.host, cause: error };
  if (error instanceof ForbiddenAddressError) {
    return new RegistryError('forbidden_address', `${url.host} is at an address that is closed`, details);
  }
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new RegistryError('invalid_answer', `${url.host} does not speak HTTP as it should`, details);
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (CERTIFICATE_CODE.test(code)) {
    return new RegistryError('certificate', `the certificate of ${url.host} is not trusted`, details);
  }
  return new RegistryError('unreachable', `${url.host} gave no answer`, details);
}
