import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { RegistryEvents } from '../telemetry/registry-events.ts';
import { CredentialsWithheldError, type Access } from './authorizer.ts';
import type { Breakers } from './breaker.ts';
import type { Endpoint } from './endpoint.ts';
import { RegistryError } from './errors.ts';
import { sourceOf, whoIs, type Credential, type Identity } from './identity.ts';
import { UnusableTokenError } from './token-answer.ts';

/** One repository, asked for by one identity. */
export interface Inquiry {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly identity: Identity;
  readonly signal: AbortSignal;
  /** Nobody waits for the answer: what admissions ask goes first. */
  readonly givesWay: boolean;
}

export interface AttemptsOptions {
  readonly breakers: Breakers;
  /** For how many repositories and identities it is remembered which credential worked. */
  readonly maxRemembered: number;
  readonly onNotice: RegistryEvents['onNotice'];
}

const MAX_CREDENTIALS = 4;

/**
 * Asks with each credential in turn until one is let in, and anonymously when all were refused: a bad secret must not
 * break public images (containerd/cri#668). Whoever was let in last is tried first the next time.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #worked: BoundedCache<string, string>;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.#worked = new BoundedCache({ max: options.maxRemembered });
  }

  get caches(): WatchedCaches {
    return { working_credential: this.#worked };
  }

  /**
   * The first answer that `ask` gives.
   * @throws {RegistryError} that says who was tried, or what else `ask` throws.
   */
  async each<T>(
    { endpoint, repository, identity, signal, givesWay }: Inquiry,
    ask: (access: Access) => Promise<T>,
  ): Promise<T> {
    const { registry } = endpoint;
    const key = JSON.stringify([registry, repository, identity.fingerprint]);
    const refusals: Refusal[] = [];
    const { breakers } = this.#options;
    for (const credential of this.#order(key, identity)) {
      const who = whoIs(credential);
      try {
        const question = { registry, repository, who };
        const work = (): Promise<T> => ask({ endpoint, repository, credential, signal });
        const answer = await (givesWay ? breakers.giveWay(question, work) : breakers.guard(question, work));
        if (identity.credentials.length > 0) this.#worked.set(key, who);
        if (credential === undefined && refusals.length > 0) {
          this.#options.onNotice({ kind: 'anonymous_instead', registry, subject: repository });
        }
        return answer;
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        refusals.push({ credential, error });
        if (!goesOn(error)) break;
      }
    }
    throw mostTelling(refusals).withTried(triedIn(refusals));
  }

  #order(key: string, { credentials }: Identity): readonly (Credential | undefined)[] {
    const order = [...credentials.slice(0, MAX_CREDENTIALS), undefined];
    const worked = this.#worked.get(key);
    const first = order.findIndex((credential) => whoIs(credential) === worked);
    return first <= 0 ? order : [order[first], ...order.toSpliced(first, 1)];
  }
}

/** Whether the next credential may do better: a 404 may hide a repository from whoever asks. */
function goesOn(error: RegistryError): boolean {
  if (error.conclusive) return false;
  return error.code === 'denied' || error.code === 'not_found' || error instanceof UnusableTokenError;
}

interface Refusal {
  readonly credential: Credential | undefined;
  readonly error: RegistryError;
}

/**
 * The error to report of several. The last one where it ended the attempts; else a credential that was let in and found
 * nothing, else what became of the credentials: an anonymous 404 says little about an image that takes a credential.
 */
function mostTelling(refusals: readonly Refusal[]): RegistryError {
  const last = refusals.at(-1)?.error;
  if (last === undefined) throw new Error('nobody was tried');
  if (!goesOn(last)) return last;
  const credentialed = refusals.filter(({ credential }) => credential !== undefined);
  const absent = credentialed.find(({ error }) => error.code === 'not_found');
  const sent = credentialed.find(({ error }) => !(error instanceof CredentialsWithheldError));
  return (absent ?? sent)?.error ?? last;
}

function triedIn(refusals: readonly Refusal[]): readonly string[] {
  const sent = refusals.filter(({ error }) => !(error instanceof CredentialsWithheldError));
  const names = sent.flatMap(({ credential, error }) =>
    error.tried.length > 0 ? error.tried : [sourceOf(credential)],
  );
  return [...new Set(names)];
}
