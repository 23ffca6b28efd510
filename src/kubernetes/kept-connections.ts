import type { RequestOptions } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import { KubeConfig, type RequestContext } from '@kubernetes/client-node';
import { Agent } from 'undici';

/** By which certificates the API server and we know each other; read anew for each call, since files are renewed. */
type Certificates = Pick<
  RequestOptions,
  'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'rejectUnauthorized' | 'servername'
>;

const NAMES = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'rejectUnauthorized', 'servername'] as const;
const MAX_CONNECTIONS = 32;
/** Well below the 90 s after which the API server closes idle connections (apiserver pkg/server/secure_serving.go). */
const KEEP_ALIVE_MS = 30_000;
/** After so much silence TCP asks whether the other side is still there. */
const PROBE_AFTER_MS = 5_000;

/**
 * A KubeConfig whose API calls share connections. The client itself (2.0.1, `createDispatcher` in config.ts) makes an agent
 * for each call, and with it a connection and a TLS handshake: most of what the birth of a revision cost. Other
 * certificates get other connections.
 */
export class KubeConfigWithKeptConnections extends KubeConfig {
  #kept: { readonly certificates: Certificates; readonly agent: Agent } | undefined;

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    // Connections through proxies stay as the client makes them.
    if (this.getCurrentCluster()?.proxyUrl !== undefined) return super.applySecurityAuthentication(context);
    const options: RequestOptions = {};
    await this.applyToHTTPSOptions(options);
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      context.setHeaderParam(name, String(value));
    }
    if (typeof options.auth === 'string') {
      context.setHeaderParam('Authorization', `Basic ${Buffer.from(options.auth).toString('base64')}`);
    }
    context.setDispatcher(this.#agentFor(options));
  }

  #agentFor(options: RequestOptions): Agent {
    const certificates = Object.fromEntries(
      NAMES.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
    );
    if (this.#kept !== undefined && isDeepStrictEqual(this.#kept.certificates, certificates))
      return this.#kept.agent;
    void this.#kept?.agent.close();
    const agent = new Agent({
      connect: { ...certificates, keepAlive: true, keepAliveInitialDelay: PROBE_AFTER_MS },
      connections: MAX_CONNECTIONS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      allowH2: false,
    });
    this.#kept = { certificates, agent };
    return agent;
  }
}
