import type { Keychain } from '../credentials/keychain.ts';
import type { ServedDigest } from '../pins/served-digest.ts';
import type { RegistryClient } from '../registry/client.ts';
import { RegistryError } from '../registry/errors.ts';
import type { WatchedCaches } from '../telemetry/bounded-cache.ts';
import { missingByRegistry, MissingDigests, type MissingDigestListener } from './missing-digests.ts';
import { detailsOf, WatchedDigests, type DigestAnswer, type WatchedDigest } from './watched-digests.ts';

export interface DigestChecksOptions {
  readonly manifests: Pick<RegistryClient, 'hasManifest'>;
  readonly keychain: Pick<Keychain, 'of'>;
  /** How many digests are watched. */
  readonly maxDigests: number;
  /** The least time between two questions about the same digest with the same credentials, in milliseconds. */
  readonly everyMs: number;
  /** Told of what should not happen; the checks go on. */
  readonly onError: (error: unknown) => void;
  /** A number from 0 up to 1, so that processes do not ask at once. */
  readonly random: () => number;
  /** Resolves after so many milliseconds; rejects once the signal is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** The pause between two questions, whatever they are about. */
const PAUSE_MS = 1_000;
const JITTER = 0.2;

/**
 * Asks registries, seldom and one question at a time, whether they still have the digests that Pods got from pins in the
 * last day, each with its Pod's own credentials. No admission waits for it, nor is answered from it. Only a clear no
 * counts; whatever says neither yes nor no leaves things as they were.
 */
export class DigestChecks {
  readonly #options: DigestChecksOptions;
  readonly #watched: WatchedDigests;
  readonly #missing = new MissingDigests();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: DigestChecksOptions) {
    this.#options = options;
    const { maxDigests, now } = options;
    this.#watched = new WatchedDigests({ maxDigests, firstTurnMs: () => this.#nextTurnMs(), now });
  }

  get caches(): WatchedCaches {
    return this.#watched.caches;
  }

  /** To be told of each digest that a Pod got from a pin. */
  readonly served = (served: ServedDigest): void => this.#watched.served(served);

  subscribe(listener: MissingDigestListener): void {
    this.#missing.subscribe(listener);
  }

  /** How many distinct images are missing, of every registry that any is watched of. */
  missingByRegistry(): ReadonlyMap<string, number> {
    return missingByRegistry(this.#watched.all());
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Gives up the question that is under way; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the process stops'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { wait, onError } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await wait(this.#pauseMs(), signal);
        await this.#checkNext(signal);
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
    }
  }

  /** What is served meanwhile is due later than this. */
  #pauseMs(): number {
    const { everyMs, now } = this.#options;
    const leftMs = (this.#next()?.dueAtMs ?? Infinity) - now();
    return Math.min(Math.max(leftMs, Math.min(PAUSE_MS, everyMs / 10)), everyMs);
  }

  #next(): WatchedDigest | undefined {
    let next: WatchedDigest | undefined;
    for (const watched of this.#watched.all()) {
      if (next === undefined || watched.dueAtMs < next.dueAtMs) next = watched;
    }
    return next;
  }

  #nextTurnMs(): number {
    const { everyMs, now, random } = this.#options;
    return now() + everyMs * (1 + JITTER * random());
  }

  async #checkNext(signal: AbortSignal): Promise<void> {
    const watched = this.#next();
    if (watched === undefined || watched.dueAtMs > this.#options.now()) return;
    watched.dueAtMs = this.#nextTurnMs();
    // Whatever becomes of it, it has had its turn.
    if (watched.standing === 'unasked') watched.standing = 'unclear';
    watched.standing = (await this.#ask(watched, signal)) ?? watched.standing;
    this.#missing.judge(this.#watched.ofImage(watched.image));
  }

  async #ask(watched: WatchedDigest, signal: AbortSignal): Promise<DigestAnswer['is'] | undefined> {
    const { reference, digest, secrets } = detailsOf(watched);
    const { keychain, manifests, now } = this.#options;
    // Before the Secret is read: at its next turn its own answer has to be too old to be shared.
    const askedAtMs = now();
    try {
      const { identity, problems } = await keychain.of(secrets)(reference, signal);
      const { fingerprint } = identity;
      watched.answer = this.#sharedAnswer(watched, fingerprint) ?? {
        is: (await manifests.hasManifest(reference, digest, identity, signal)) ? 'there' : 'missing',
        fingerprint,
        askedAtMs,
      };
      const { is } = watched.answer;
      if (is === 'there') watched.seenBy = fingerprint;
      // With a secret that cannot be read, somebody else may be asking than whoever pulls.
      return is === 'missing' && problems.length > 0 && watched.seenBy !== fingerprint ? undefined : is;
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.retryable) this.#postpone(watched);
      return undefined;
    }
  }

  /** What the same identity was told in its own turn: Secrets of several namespaces often hold the same credentials. */
  #sharedAnswer(watched: WatchedDigest, fingerprint: string): DigestAnswer | undefined {
    const { everyMs, now } = this.#options;
    return this.#watched
      .ofImage(watched.image)
      .map(({ answer }) => answer)
      .find((answer) => answer?.fingerprint === fingerprint && now() - answer.askedAtMs < everyMs);
  }

  /** A registry that cannot answer, or wants to be left alone, is not asked by the same Pods again for a whole round. */
  #postpone({ registry, puller }: WatchedDigest): void {
    for (const watched of this.#watched.all()) {
      if (watched.registry === registry && watched.puller === puller) watched.dueAtMs = this.#nextTurnMs();
    }
  }
}
