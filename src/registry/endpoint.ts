import type { LookupFunction } from 'node:net';
import { sumOf, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { limitOf, type WatchedLimits } from '../telemetry/limits.ts';
import { Transport } from './transport.ts';

/** What the operator says of one registry. */
export interface RegistryOptions {
  /** The registry's host as it stands in images, with its port if it has one, in lower case. */
  readonly host: string;
  /** Speak plain http to it. */
  readonly insecure: boolean;
  /** More certificate authorities for it and its token servers, in PEM. */
  readonly ca: string | undefined;
  readonly allowPrivate: boolean;
  readonly allowLoopback: boolean;
  /** Hosts of token servers that may get its credentials and be where it may be itself. */
  readonly tokenHosts: readonly string[];
}

/** Where and how one registry is contacted. */
export interface Endpoint {
  /** The host that stands in images: `docker.io`. */
  readonly registry: string;
  /** `https://registry-1.docker.io`, without a path. */
  readonly origin: URL;
  readonly insecure: boolean;
  readonly transport: Transport;
  /**
   * Whether this registry's credentials may be sent there: to its own host and port, and to the token servers that are
   * known or listed for it. What the operator allows for the registry's connections goes for these as well.
   */
  trusts(url: URL): boolean;
}

export interface EndpointsOptions {
  readonly registries: readonly RegistryOptions[];
  readonly userAgent: string;
  /** The system's own where absent. */
  readonly lookup?: LookupFunction;
}

/** Docker Hub's images say docker.io, its registry answers elsewhere (containerd core/remotes/docker, DefaultHost). */
const CONTACT_HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/** Token servers on a host of their own, of public registries. Only from evidence, since these get credentials. */
const KNOWN_TOKEN_HOSTS: Readonly<Record<string, string>> = {
  'docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

/** Finds the endpoint of a registry. Listed registries have a transport each, all others share one. */
export class Endpoints {
  readonly #listed: ReadonlyMap<string, { options: RegistryOptions; transport: Transport }>;
  readonly #shared: Transport;

  constructor({ registries, userAgent, lookup }: EndpointsOptions) {
    this.#listed = new Map(
      registries.map((options) => {
        const origins = trustedOrigins(options.host, options.insecure, options.tokenHosts);
        return [
          options.host,
          { options, transport: new Transport({ ...options, origins, listed: true, userAgent, lookup }) },
        ];
      }),
    );
    const unlisted = { listed: false, ca: undefined, allowPrivate: false, allowLoopback: false };
    this.#shared = new Transport({ ...unlisted, origins: new Set(), userAgent, lookup });
  }

  /** The endpoint for a host in lower case; undefined where the text cannot be a host of a URL. */
  of(registry: string): Endpoint | undefined {
    const listed = this.#listed.get(registry);
    const insecure = listed?.options.insecure ?? false;
    const text = originOf(registry, insecure);
    if (!URL.canParse(text)) return undefined;
    const origins = trustedOrigins(registry, insecure, listed?.options.tokenHosts ?? []);
    return {
      registry,
      origin: new URL(text),
      insecure,
      transport: listed?.transport ?? this.#shared,
      trusts: (url) => origins.has(url.origin),
    };
  }

  get caches(): WatchedCaches {
    return { origin: sumOf(this.#transports().map(({ origins }) => origins)) };
  }

  /** Of the busiest registry, since each has its own. */
  get limits(): WatchedLimits {
    const busiest = (): number => Math.max(...this.#transports().map(({ requests }) => requests.used));
    return { registry_requests: limitOf(busiest, this.#shared.requests.max) };
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await Promise.all(this.#transports().map((transport) => transport.close()));
  }

  #transports(): Transport[] {
    return [this.#shared, ...[...this.#listed.values()].map(({ transport }) => transport)];
  }
}

function originOf(registry: string, insecure: boolean): string {
  return `${insecure ? 'http' : 'https'}://${CONTACT_HOSTS[registry] ?? registry}`;
}

function trustedOrigins(
  registry: string,
  insecure: boolean,
  tokenHosts: readonly string[],
): ReadonlySet<string> {
  const known = KNOWN_TOKEN_HOSTS[registry];
  const hosts = known === undefined ? tokenHosts : [...tokenHosts, known];
  const schemes = insecure ? ['https', 'http'] : ['https'];
  const servers = hosts.flatMap((host) => schemes.map((scheme) => `${scheme}://${host}`));
  const urls = [originOf(registry, insecure), ...servers].filter((text) => URL.canParse(text));
  return new Set(urls.map((text) => new URL(text).origin));
}
