import { repositoryName } from '../image/reference.ts';
import { detailsOf, type DigestUse, type WatchedDigest } from './watched-digests.ts';

/** A digest that a registry does not have any more, as the Pods of one namespace pull it. */
export interface MissingDigest {
  /** `registry/repository`, normalised. */
  readonly repository: string;
  readonly digest: string;
  readonly namespace: string;
  /** The last few revisions that are pinned to it there, the latest last, each with its owner. */
  readonly uses: readonly DigestUse[];
}

/** Hears of digests that are missing; must not throw. */
export interface MissingDigestListener {
  /** Told once for each namespace (and list of pull secrets) that finds it missing. */
  readonly missing?: (digest: MissingDigest) => void;
  /** It is there again; told to whom it was told that it is missing. */
  readonly back?: (digest: MissingDigest) => void;
}

/**
 * Judges from what each puller was answered whether an image is missing. A registry answers 404 to whoever may not see a
 * repository, so an image that one of its pullers sees is not missing, whatever others are told; and nothing is said before
 * all of them have had their turn.
 */
export class MissingDigests {
  readonly #listeners: MissingDigestListener[] = [];

  subscribe(listener: MissingDigestListener): void {
    this.#listeners.push(listener);
  }

  /** To be asked after each answer, with all that is known of the image that it was about. */
  judge(pullers: readonly WatchedDigest[]): void {
    if (pullers.some(({ standing }) => standing === 'there')) return this.#tellBack(pullers);
    const isKnown = pullers.some(({ isTold }) => isTold);
    if (!isKnown && pullers.some(({ standing }) => standing === 'unasked')) return;
    for (const watched of pullers) {
      if (watched.standing !== 'missing' || watched.isTold) continue;
      watched.isTold = true;
      for (const { missing } of this.#listeners) missing?.(described(watched));
    }
  }

  #tellBack(pullers: readonly WatchedDigest[]): void {
    for (const watched of pullers.filter(({ isTold }) => isTold)) {
      watched.isTold = false;
      for (const { back } of this.#listeners) back?.(described(watched));
    }
  }
}

/** How many distinct images are missing, of every registry that any is watched of. */
export function missingByRegistry(all: readonly WatchedDigest[]): ReadonlyMap<string, number> {
  const images = Map.groupBy(all, ({ registry }) => registry);
  return new Map(
    [...images].map(([registry, watched]) => {
      const missing = watched.filter(({ isTold }) => isTold).map(({ image }) => image);
      return [registry, new Set(missing).size];
    }),
  );
}

function described(watched: WatchedDigest): MissingDigest {
  const { reference, digest, secrets, uses } = detailsOf(watched);
  const { namespace } = secrets;
  return { repository: repositoryName(reference), digest, namespace, uses };
}
