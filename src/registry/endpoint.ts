import { Transport } from './transport.ts';

/** What the operator says of one registry. */
export interface RegistryOptions {
  /** The registry's host as it stands in images, with its port if it has one, in lower case. */
  readonly host: string;
  /** Speak plain http to it. */
  readonly insecure: boolean;
  /** More certificate authorities for it and its token server, in PEM. */
  readonly ca: string | undefined;
  readonly allowPrivate: boolean;
  readonly allowLoopback: boolean;
}

/** Where and how one registry is contacted. */
export interface Endpoint {
  /** The host that stands in images: `docker.io`. */
  readonly registry: string;
  /** `https://registry-1.docker.io`, without a path. */
  readonly origin: URL;
  readonly insecure: boolean;
  readonly transport: Transport;
}

/** Docker Hub's images say docker.io, its registry answers elsewhere (containerd core/remotes/docker, DefaultHost). */
const CONTACT_HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/** Finds the endpoint of a registry. Listed registries have a transport each, all others share one. */
export class Endpoints {
  readonly #listed: ReadonlyMap<string, { options: RegistryOptions; transport: Transport }>;
  readonly #shared: Transport;

  constructor(registries: readonly RegistryOptions[], userAgent: string) {
    this.#listed = new Map(
      registries.map((options) => [
        options.host,
        { options, transport: new Transport({ ...options, listed: true, userAgent }) },
      ]),
    );
    const unlisted = { listed: false, ca: undefined, allowPrivate: false, allowLoopback: false };
    this.#shared = new Transport({ ...unlisted, userAgent });
  }

  /** The endpoint for a host in lower case; undefined where the text cannot be a host of a URL. */
  of(registry: string): Endpoint | undefined {
    const listed = this.#listed.get(registry);
    const insecure = listed?.options.insecure ?? false;
    const text = `${insecure ? 'http' : 'https'}://${CONTACT_HOSTS[registry] ?? registry}`;
    if (!URL.canParse(text)) return undefined;
    return { registry, origin: new URL(text), insecure, transport: listed?.transport ?? this.#shared };
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    const transports = [this.#shared, ...[...this.#listed.values()].map(({ transport }) => transport)];
    await Promise.all(transports.map((transport) => transport.close()));
  }
}
