import { createHmac, randomBytes } from 'node:crypto';
import { SharedFlights } from '../flight/shared-flights.ts';
import type { ImageReference } from '../image/reference.ts';
import { ANONYMOUS, Credential, type Identity } from '../registry/identity.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import { waitingFor, type Waits } from '../telemetry/waits.ts';
import { DockerConfigError, readDockerConfig } from './docker-config.ts';
import { Keyring, type KeyringEntry } from './keyring.ts';
import { configKeyOf, type PullSecret, type PullSecrets } from './pull-secret.ts';
import { secretProblem, type SecretProblem } from './secret-problem.ts';

/** The pull secrets that a Pod names, in its order. */
export interface PodPullSecrets {
  readonly namespace: string;
  readonly names: readonly string[];
}

/** Who asks a registry for a Pod, and which of its pull secrets could not be used. */
export interface PullCredentials {
  readonly identity: Identity;
  readonly problems: readonly SecretProblem[];
  /** It names secrets that can be read, and none of them is for this image. */
  readonly noneMatches: boolean;
}

/**
 * The credentials of one Pod for one image. To be called only when a registry is really going to be asked.
 * `waits` is told how long was waited for the API server.
 * @throws the signal's reason, and nothing else.
 */
export type CredentialsFor = (
  reference: ImageReference,
  signal: AbortSignal,
  waits?: Waits,
) => Promise<PullCredentials>;

export interface KeychainOptions {
  /** Undefined without a cluster to ask: then everybody is anonymous. */
  readonly secrets: PullSecrets | undefined;
  readonly countCacheRequest: CountCacheRequest;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** A Secret's entries, or what is wrong with it. */
interface ReadSecret {
  readonly entries: readonly KeyringEntry<Credential>[];
  readonly problem: SecretProblem | undefined;
  readonly bytes: number;
}

/** Long enough for the births of a rollout, short enough that a mended Secret is soon used. */
const SECRET_TTL_MS = 10_000;
/** Somebody is mending it right now. */
const PROBLEM_TTL_MS = 2_000;
const MAX_SECRETS_IN_MEMORY = 5_000;
const MAX_BYTES_IN_MEMORY = 16 * 1024 * 1024;
/** A Pod's author chooses how many there are; what comes after is said, not read. */
const MAX_SECRETS_OF_POD = 20;
const MAX_ENTRIES_OF_SECRET = 200;
/** No Secret has a longer name; what a Pod's author made up is not worth remembering. */
const MAX_NAME_LENGTH = 253;
const MAX_CREDENTIALS = 16;

const NOBODY: PullCredentials = { identity: ANONYMOUS, problems: [], noneMatches: false };
const nobody: CredentialsFor = async () => NOBODY;

/**
 * Credentials from the pull secrets that Pods name. At the creation of a Pod its list is complete: the API server has
 * merged the service account's (kubernetes plugin/pkg/admission/serviceaccount), so that is not read here. Secrets are
 * read by name, one GET each, when credentials are asked for; kept for seconds; and never printed.
 */
export class Keychain {
  readonly #secrets: PullSecrets | undefined;
  readonly #countCacheRequest: CountCacheRequest;
  readonly #cache: BoundedCache<string, ReadSecret>;
  readonly #flights = new SharedFlights<ReadSecret>();
  /** Fingerprints tell nothing to whoever does not have it, and nothing to another process. */
  readonly #fingerprintKey = randomBytes(32);

  constructor({ secrets, countCacheRequest, now }: KeychainOptions) {
    this.#secrets = secrets;
    this.#countCacheRequest = countCacheRequest;
    this.#cache = new BoundedCache({
      max: MAX_SECRETS_IN_MEMORY,
      maxSize: MAX_BYTES_IN_MEMORY,
      sizeCalculation: ({ bytes }) => bytes,
      ttlResolution: 0,
      perf: { now },
    });
  }

  get caches(): WatchedCaches {
    return { credentials: this.#cache };
  }

  /** The credentials of a Pod that names these secrets. Nothing is read before they are asked for. */
  of({ namespace, names }: PodPullSecrets): CredentialsFor {
    if (names.length === 0) return nobody;
    const distinct = [...new Set(names)];
    const read = distinct.slice(0, MAX_SECRETS_OF_POD);
    const [tooMany] = distinct.slice(MAX_SECRETS_OF_POD);
    const surplus =
      tooMany === undefined ? [] : [secretProblem('too_many_secrets', tooMany, String(MAX_SECRETS_OF_POD))];
    let known: { readonly secrets: readonly ReadSecret[]; readonly keyring: Keyring<Credential> } | undefined;
    return async (reference, signal, waits) => {
      const secrets = await Promise.all(read.map((name) => this.#read(namespace, name, signal, waits)));
      if (known === undefined || secrets.some((secret, index) => secret !== known?.secrets[index])) {
        known = { secrets, keyring: new Keyring(secrets.flatMap(({ entries }) => entries)) };
      }
      const found = known.keyring.lookUp(reference);
      return {
        identity: this.#identityOf(found),
        problems: [...secrets.flatMap(({ problem }) => problem ?? []), ...surplus],
        noneMatches: found.length === 0 && secrets.some(({ problem }) => problem === undefined),
      };
    };
  }

  async #read(namespace: string, name: string, signal: AbortSignal, waits?: Waits): Promise<ReadSecret> {
    const source = this.#secrets;
    if (source === undefined) return { entries: [], problem: secretProblem('no_cluster', name), bytes: 1 };
    if (name.length > MAX_NAME_LENGTH) return unusable(secretProblem('missing', name));
    const key = `${namespace}/${name}`;
    const kept = this.#cache.get(key);
    if (kept !== undefined) {
      this.#countCacheRequest('credentials', kept.problem === undefined ? 'hit' : 'negative');
      return kept;
    }
    const work = async (shared: AbortSignal): Promise<ReadSecret> => {
      const secret = this.#open(name, await source.read(namespace, name, shared));
      this.#cache.set(key, secret, { ttl: secret.problem === undefined ? SECRET_TTL_MS : PROBLEM_TTL_MS });
      return secret;
    };
    const flight = this.#flights.join(key, work, signal, (boarding) =>
      this.#countCacheRequest('credentials', boarding === 'started' ? 'miss' : 'coalesced'),
    );
    return waitingFor('api', waits, flight);
  }

  #open(name: string, secret: PullSecret): ReadSecret {
    if (secret.is !== 'found') return unusable(secretProblem(secret.is, name));
    const { type, config } = secret;
    const key = configKeyOf(type);
    if (key === undefined) return unusable(secretProblem('wrong_type', name, type));
    if (config === undefined) return unusable(secretProblem('no_config', name, key));
    try {
      const entries = readDockerConfig(type, config, (username, password) =>
        this.#seal(`Secret ${name}`, username, password),
      );
      const isTooMany = entries.length > MAX_ENTRIES_OF_SECRET;
      return {
        entries: entries.slice(0, MAX_ENTRIES_OF_SECRET),
        problem: isTooMany
          ? secretProblem('too_many_entries', name, String(MAX_ENTRIES_OF_SECRET))
          : undefined,
        bytes: 1_000 + 2 * config.length,
      };
    } catch (error) {
      if (!(error instanceof DockerConfigError)) throw error;
      return unusable(secretProblem('invalid_config', name, error.message));
    }
  }

  #seal(source: string, username: string, secret: string): Credential {
    const fingerprint = this.#hash([username, secret]);
    return new Credential({ fingerprint, source, username, secret, kind: 'password' });
  }

  /** Each once, in their order. One without a user means nobody in particular (containerd's reading), who comes last anyway. */
  #identityOf(found: readonly Credential[]): Identity {
    const distinct = new Map<string, Credential>();
    for (const credential of found) {
      if (distinct.size === MAX_CREDENTIALS) break;
      const { fingerprint } = credential;
      if (credential.reveal().username !== '' && !distinct.has(fingerprint))
        distinct.set(fingerprint, credential);
    }
    if (distinct.size === 0) return ANONYMOUS;
    return { fingerprint: this.#hash([...distinct.keys()]), credentials: [...distinct.values()] };
  }

  #hash(parts: readonly string[]): string {
    return createHmac('sha256', this.#fingerprintKey).update(JSON.stringify(parts)).digest('base64url');
  }
}

function unusable(problem: SecretProblem): ReadSecret {
  return { entries: [], problem, bytes: 1_000 };
}
