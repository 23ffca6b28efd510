import type { PodPullSecrets } from '../credentials/keychain.ts';
import {
  hostOf,
  normalizedName,
  parseReference,
  repositoryName,
  type ImageReference,
} from '../image/reference.ts';
import { packTexts, unpackTexts } from '../packed/texts.ts';
import { REVISION_TEXTS, revisionIn, textsOf } from '../pins/revision-texts.ts';
import { revisionKey, type OwnerReference, type Revision } from '../pins/revision.ts';
import type { ServedDigest } from '../pins/served-digest.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';

/** A revision that is pinned to a digest. */
export interface DigestUse {
  readonly revision: Revision;
  /** The controller of its Pods, as they name it: the StatefulSet where the revision is a ControllerRevision. */
  readonly owner: OwnerReference;
  /** Normalised, as pins have it. */
  readonly reference: string;
}

/** What a registry said of a digest. */
export interface DigestAnswer {
  readonly is: 'there' | 'missing';
  /** Of the identity that asked; tells nothing about it. */
  readonly fingerprint: string;
  /** Not asked before, by the clock that never goes back. */
  readonly askedAtMs: number;
}

/** One digest as the Pods of one namespace pull it that name the same pull secrets. */
export interface WatchedDigest {
  /** `registry/repository@digest`: the same bytes, whoever pulls them. */
  readonly image: string;
  /** Who pulls: the namespace and the names of its pull secrets. */
  readonly puller: string;
  readonly registry: string;
  /** {@link PullDetails} as one text: most digests are never asked about, and objects take three times as much. */
  details: string;
  /** Not asked before. */
  dueAtMs: number;
  /** `unclear`: it had its turn, and nobody said yes or no so far. */
  standing: 'unasked' | 'unclear' | 'there' | 'missing';
  /** The last answer that was one. */
  answer: DigestAnswer | undefined;
  /** Fingerprint of the identity that it was last there for. */
  seenBy: string | undefined;
  /** Listeners believe that it is missing. */
  isTold: boolean;
}

/** What is pulled, with which secrets, and for whom. */
export interface PullDetails {
  readonly reference: ImageReference;
  readonly digest: string;
  readonly secrets: PodPullSecrets;
  /** One for each revision, the latest last. */
  readonly uses: readonly DigestUse[];
}

export interface WatchedDigestsOptions {
  /** How many are known; the one that was served the longest ago, by the minute, goes first. */
  readonly maxDigests: number;
  /** When a digest may be asked about that was served just now. */
  readonly firstTurnMs: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const DAY_MS = 24 * 60 * 60_000;
/** A revision's Pods come by the hundred: within this time its digest is not noted again. */
const LATELY_MS = 60_000;
const MAX_LATELY = 2_000;
const MAX_LATELY_LENGTH = 1_024;
/** What Pods' authors choose has no limit of its own. */
const MAX_KEY_LENGTH = 4_096;
const MAX_KEYS_LENGTH = 8 * 1024 * 1024;
const MAX_OWNER_LENGTH = 1_024;
const MAX_USES = 4;

/** The digests that Pods got from pins in the last day, bounded. Holds no credentials, only what they are asked for by. */
export class WatchedDigests {
  readonly #options: WatchedDigestsOptions;
  readonly #digests: BoundedCache<string, WatchedDigest>;
  /** When a digest was noted for a revision. */
  readonly #lately: BoundedCache<string, number>;

  constructor(options: WatchedDigestsOptions) {
    this.#options = options;
    this.#digests = new BoundedCache({
      max: options.maxDigests,
      maxSize: MAX_KEYS_LENGTH,
      maxEntrySize: MAX_KEY_LENGTH,
      sizeCalculation: (_digest, key) => key.length,
      ttl: DAY_MS,
      updateAgeOnGet: true,
      ttlResolution: 0,
      perf: { now: options.now },
    });
    this.#lately = new BoundedCache({ max: MAX_LATELY });
  }

  get caches(): WatchedCaches {
    return { served_digest: this.#digests, served_lately: this.#lately };
  }

  /** A Pod got this digest just now. */
  served({ reference, image: { digest }, secrets, revision, owner }: ServedDigest): void {
    // Before anything is made of them: a Pod may name a hundred thousand, and this is asked for each of its containers.
    if (isTooLong(secrets.names)) return;
    const nowMs = this.#options.now();
    const noted = [revision.namespace, revision.uid, reference.written, digest, ...secrets.names].join(' ');
    if (nowMs - (this.#lately.get(noted) ?? -Infinity) < LATELY_MS) return;
    if (noted.length <= MAX_LATELY_LENGTH) this.#lately.set(noted, nowMs);
    // As one flat text, since it is kept.
    const image = [repositoryName(reference), digest].join('@');
    const puller = JSON.stringify([secrets.namespace, ...secrets.names]);
    const key = `${puller} ${image}`;
    const known = this.#digests.get(key);
    const use = { revision, owner, reference: normalizedName(reference) };
    const uses = withUse(known === undefined ? [] : detailsOf(known).uses, use);
    const details = writeDetails({ reference, digest, secrets, uses });
    if (known !== undefined) {
      known.details = details;
      return;
    }
    this.#digests.set(key, {
      image,
      puller,
      registry: hostOf(reference),
      details,
      dueAtMs: this.#options.firstTurnMs(),
      standing: 'unasked',
      answer: undefined,
      seenBy: undefined,
      isTold: false,
    });
  }

  /** Those that Pods got in the last day, the one that was served the longest ago first. */
  all(): WatchedDigest[] {
    return [...this.#digests.rvalues()].filter((watched) => watched !== undefined);
  }

  /** The same bytes, for all who pull them. */
  ofImage(image: string): WatchedDigest[] {
    return this.all().filter((watched) => watched.image === image);
  }
}

/** Names that are part of a key which is not kept. */
function isTooLong(names: readonly string[]): boolean {
  let length = 0;
  for (const name of names) {
    length += name.length + 1;
    if (length > MAX_KEY_LENGTH) return true;
  }
  return false;
}

/** The last few, with this one. */
function withUse(uses: readonly DigestUse[], use: DigestUse): readonly DigestUse[] {
  const { owner, revision } = use;
  const { apiVersion, kind, name, uid } = owner;
  const key = revisionKey(revision);
  if (apiVersion.length + kind.length + name.length + uid.length + key.length > MAX_OWNER_LENGTH) return uses;
  return [...uses.filter((other) => revisionKey(other.revision) !== key), use].slice(-MAX_USES);
}

export function detailsOf({ details }: WatchedDigest): PullDetails {
  const [written = '', digest = '', namespace = '', count, ...rest] = unpackTexts(
    Buffer.from(details, 'latin1'),
  );
  const names = rest.splice(0, Number(count));
  const uses: DigestUse[] = [];
  while (rest.length > 0) {
    const [reference = '', apiVersion = '', kind = '', name = '', uid = ''] = rest.splice(0, USE_TEXTS);
    const owner = { apiVersion, kind, name, uid };
    uses.push({ revision: revisionIn(rest.splice(0, REVISION_TEXTS)), owner, reference });
  }
  return { reference: parseReference(written), digest, secrets: { namespace, names }, uses };
}

/** Of a use, before the texts of its revision. */
const USE_TEXTS = 5;

function writeDetails({ reference, digest, secrets, uses }: PullDetails): string {
  const { namespace, names } = secrets;
  const texts = uses.flatMap(
    ({ reference: normalized, owner: { apiVersion, kind, name, uid }, revision }) => [
      normalized,
      apiVersion,
      kind,
      name,
      uid,
      ...textsOf(revision),
    ],
  );
  return packTexts([reference.written, digest, namespace, `${names.length}`, ...names, ...texts]).toString(
    'latin1',
  );
}
