import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import {
  KubeConfig,
  type ApiConstructor,
  type ApiType,
  type Cluster,
  type Configuration,
  type User,
} from '@kubernetes/client-node';
import { Agent, Pool, ProxyAgent, type Dispatcher } from 'undici';
import { ApiRequests } from './api-requests.ts';
import { ApiTransport, MAX_CALLS } from './api-transport.ts';

export interface ClusterConnectionOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** No call waits longer for its answer to begin, or for more of it, in milliseconds; callers have deadlines too. */
  readonly answerTimeoutMs?: number;
}

/** What makes a request one of ours: who asks, and by which connections. */
export interface PreparedCall {
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
}

type ApiRequest = Parameters<KubeConfig['applySecurityAuthentication']>[0];
type TlsOptions = Pick<RequestOptions, (typeof TLS_OPTIONS)[number]>;

const TLS_OPTIONS = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized'] as const;
/** Tokens of service accounts are replaced at four fifths of their life, an hour by default. */
const FILES_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 15_000;
/** The API server ends idle connections after 90 s (k8s.io/apiserver, secure_serving.go). */
const KEEP_ALIVE_MS = 60_000;
/** After so much silence TCP asks whether the other side is still there. */
const PROBE_AFTER_MS = 5_000;

/**
 * How to reach a cluster, with connections that are kept: the client's own KubeConfig opens one per call, and reads its
 * files each time. Here files are read again every ten seconds, and connections are replaced only where authorities or
 * client certificate changed.
 */
export class ClusterConnection extends KubeConfig {
  /** By which all HTTP calls go. */
  readonly transport = new ApiTransport();
  readonly #now: () => number;
  readonly #answerTimeoutMs: number;
  /** As they were loaded: with the names of files. */
  #named: { readonly clusters: Cluster[]; readonly users: User[] } | undefined;
  #reading: Promise<void> | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #current: { readonly tls: TlsOptions; readonly dispatcher: Dispatcher } | undefined;
  #replaced: Dispatcher | undefined;

  constructor({ now, answerTimeoutMs = ANSWER_TIMEOUT_MS }: ClusterConnectionOptions) {
    super();
    this.#now = now;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  /** Credentials as they are now, and connections to use them on. @throws where files were never readable. */
  async prepare(): Promise<PreparedCall> {
    if (this.#now() - this.#readAtMs >= FILES_MS) await (this.#reading ??= this.#readFiles());
    const options: RequestOptions = {};
    await this.applyToHTTPSOptions(options);
    const headers = Object.entries(options.headers ?? {}).map(([name, value]) => [name, String(value)]);
    if (typeof options.auth === 'string') {
      headers.push(['Authorization', `Basic ${Buffer.from(options.auth).toString('base64')}`]);
    }
    return { headers: Object.fromEntries(headers), dispatcher: this.#dispatcherFor(tlsOptionsOf(options)) };
  }

  /** Called by the generated client for each of its calls. */
  override async applySecurityAuthentication(request: ApiRequest): Promise<void> {
    const { headers, dispatcher } = await this.prepare();
    for (const [name, value] of Object.entries(headers)) request.setHeaderParam(name, value);
    request.setDispatcher(dispatcher);
  }

  /** A client whose calls are sent as {@link ApiRequests} does. */
  override makeApiClient<T extends ApiType>(apiClientType: ApiConstructor<T>): T {
    // The client's own part makes the rest of the configuration.
    const httpApi = new ApiRequests(this.transport);
    const sending = new Proxy(apiClientType, {
      construct: (type, [configuration]: [Configuration]) => new type({ ...configuration, httpApi }),
    });
    return super.makeApiClient(sending);
  }

  /** Closes all connections; calls under way end first, those that wait for one fail. */
  async close(): Promise<void> {
    const open = [this.#current?.dispatcher, this.#replaced];
    this.#current = undefined;
    this.#replaced = undefined;
    await Promise.all(open.map(async (dispatcher) => dispatcher?.close()));
  }

  #dispatcherFor(tls: TlsOptions): Dispatcher {
    if (this.#current !== undefined && isDeepStrictEqual(this.#current.tls, tls)) {
      return this.#current.dispatcher;
    }
    // Somebody may have taken the last one just now; its connections end by themselves when they are idle.
    void this.#replaced?.close();
    this.#replaced = this.#current?.dispatcher;
    const dispatcher = this.#createDispatcher(tls);
    this.#current = { tls, dispatcher };
    return dispatcher;
  }

  #createDispatcher(tls: TlsOptions): Dispatcher {
    const limits = {
      connections: MAX_CALLS,
      pipelining: 1,
      headersTimeout: this.#answerTimeoutMs,
      bodyTimeout: this.#answerTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      allowH2: false,
    };
    const connect = {
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: PROBE_AFTER_MS,
    };
    const described = this.createDispatcherOptions(this.getCurrentCluster(), tls);
    if (described.type === 'proxy' || described.type === 'socks') {
      const requestTls = { ...tls, timeout: CONNECT_TIMEOUT_MS };
      return new ProxyAgent({
        ...limits,
        uri: described.uri,
        requestTls,
        connectTimeout: CONNECT_TIMEOUT_MS,
        // Its own would let a proxy think for five minutes before there is a tunnel, and keep our places meanwhile.
        clientFactory: (proxy, options) =>
          new Pool(proxy, { ...options, headersTimeout: this.#answerTimeoutMs }),
      });
    }
    return new Agent({ ...limits, connect: { ...tls, ...connect } });
  }

  /** Puts what files hold in the place of their names. What cannot be read stays as it was, once it was readable. */
  async #readFiles(): Promise<void> {
    const { clusters, users } = (this.#named ??= { clusters: this.clusters, users: this.users });
    const { cluster, user } = this.getContextObject(this.currentContext) ?? {};
    try {
      const read = await Promise.all([
        Promise.all(clusters.map(async (each) => (each.name === cluster ? withFilesOfCluster(each) : each))),
        Promise.all(users.map(async (each) => (each.name === user ? withFilesOfUser(each) : each))),
      ]);
      [this.clusters, this.users] = read;
    } catch (error) {
      if (this.#readAtMs === Number.NEGATIVE_INFINITY) throw error;
    } finally {
      this.#reading = undefined;
    }
    this.#readAtMs = this.#now();
  }
}

function tlsOptionsOf(options: RequestOptions): TlsOptions {
  return Object.fromEntries(
    TLS_OPTIONS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
}

async function withFilesOfCluster(cluster: Cluster): Promise<Cluster> {
  const { caFile, ...rest } = cluster;
  return caFile ? { ...rest, caData: await readFile(caFile, 'base64') } : cluster;
}

async function withFilesOfUser(user: User): Promise<User> {
  const { certFile, keyFile, authProvider, ...rest } = user;
  const tokenFile: unknown = authProvider?.config?.tokenFile;
  return {
    ...rest,
    ...(certFile ? { certData: await readFile(certFile, 'base64') } : {}),
    ...(keyFile ? { keyData: await readFile(keyFile, 'base64') } : {}),
    ...(typeof tokenFile === 'string'
      ? { token: (await readFile(tokenFile, 'utf8')).trim() }
      : { authProvider: authProvider as unknown }),
  };
}
