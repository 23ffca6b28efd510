import type { ImageReference } from '../image/reference.ts';
import { goMatch } from './go-match.ts';
import { parseGoUrl, splitHostPort } from './go-url.ts';

/** A key of a docker config (`registry.example.com/team`, `https://index.docker.io/v1/`, `*.example.com`) and what it is for. */
export type KeyringEntry<T> = readonly [key: string, value: T];

/** Where a key leads, or where an image is. */
interface Location {
  readonly labels: readonly string[];
  readonly port: string;
  readonly path: string;
}

const DOCKER_HUB_KEY = 'index.docker.io';

/**
 * Which credentials the kubelet would try for an image, and in which order: its rules exactly (kubernetes v1.36.3,
 * pkg/credentialprovider/keyring.go), which are not the docker CLI's. Entries are those of all secrets, in their order.
 */
export class Keyring<T> {
  readonly #locations: readonly (readonly [Location, readonly T[]])[];
  readonly #dockerHub: readonly T[];

  constructor(entries: readonly KeyringEntry<T>[]) {
    const byKey = new Map<string, T[]>();
    for (const [written, value] of entries) {
      const key = prepareKey(toBytes(written));
      if (key === undefined) continue;
      const values = byKey.get(key);
      if (values === undefined) byKey.set(key, [value]);
      else values.push(value);
    }
    // Sorted backwards, byte by byte: a longer path comes before a shorter one, a name before a star.
    const keys = [...byKey.keys()].toSorted().toReversed();
    this.#locations = keys.flatMap((key) => {
      const location = locate(key);
      return location === undefined ? [] : [[location, byKey.get(key) ?? []] as const];
    });
    this.#dockerHub = byKey.get(DOCKER_HUB_KEY) ?? [];
  }

  /** All that match; those for Docker Hub's own key only where nothing else does. */
  lookUp({ domain, path }: Pick<ImageReference, 'domain' | 'path'>): readonly T[] {
    const image = locate(`${domain}/${path}`);
    if (image !== undefined) {
      const found = this.#locations.flatMap(([location, values]) => (matches(location, image) ? values : []));
      if (found.length > 0) return found;
    }
    return meansDockerHub(domain) ? this.#dockerHub : [];
  }
}

/** Host, port and path of a key as it was written; undefined where Go reads no URL in it, and the kubelet passes it over. */
function prepareKey(written: string): string | undefined {
  const url = parseGoUrl(/^https?:\/\//.test(written) ? written : `https://${written}`);
  if (url === undefined) return undefined;
  // `https://index.docker.io/v1/` is a host for the docker CLI, and so is any other with these paths.
  const path = /^\/v[12]\//.test(url.path) ? url.path.slice(3) : url.path;
  return path === '/' ? url.host : url.host + path;
}

/** The kubelet parses prepared keys once more, so what was escaped twice is text now. */
function locate(key: string): Location | undefined {
  const url = parseGoUrl(`https://${key}`);
  if (url === undefined) return undefined;
  const { host, port } = splitHostPort(url.host);
  return { labels: host.split('.'), port, path: url.path };
}

/** Ports are compared as text, labels as globs; a path is a plain prefix, so that `/team` is for `/team-2` as well. */
function matches(key: Location, image: Location): boolean {
  return (
    key.port === image.port &&
    key.labels.length === image.labels.length &&
    image.path.startsWith(key.path) &&
    key.labels.every((label, index) => goMatch(label, image.labels[index] ?? '') === true)
  );
}

/** Docker's old rule, as the kubelet has it: a host has a dot or a port, anything else is a name on Docker Hub. */
function meansDockerHub(domain: string): boolean {
  return domain === 'docker.io' || domain === DOCKER_HUB_KEY || !/[.:]/.test(domain);
}

/** One byte of UTF-8 in each character: Go compares and unescapes bytes. */
function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
