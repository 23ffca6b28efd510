import type { PinnedImage } from './image-pin.ts';
import type { OwnerReference } from './revision.ts';

/** A pin as a list of pins shows it: whose it is, and what it holds. */
export interface ListedPin {
  readonly revision: OwnerReference;
  readonly images: readonly PinnedImage[];
}

/** A revision in question: just `born`, or one whose pin gave a Pod its digests (`served`), and when that was. */
export interface SeenAt extends Pick<OwnerReference, 'kind' | 'name'> {
  readonly seen: 'born' | 'served';
  readonly at: Date;
}

/** Another revision that means other bytes by one of the references. */
export interface OtherMeaning {
  readonly reference: string;
  /** The revision in question, and what it has. */
  readonly own: OwnerReference;
  readonly digest: string;
  readonly other: OwnerReference;
  readonly otherDigest: string;
}

/** What a revision has by a reference. */
interface Meaning {
  readonly pin: ListedPin;
  readonly image: PinnedImage;
}

/**
 * What references mean in the revisions of one workload, by when each heard it. All of them are sorted once: a workload may
 * have hundreds of revisions, each with a hundred images, and each of them may be in question.
 */
export class Meanings {
  readonly #pins: readonly ListedPin[];
  /** By reference, the newest first. */
  readonly #meanings: ReadonlyMap<string, readonly Meaning[]>;

  constructor(pins: readonly ListedPin[]) {
    this.#pins = pins;
    const meanings = pins.flatMap((pin) => pin.images.map((image): Meaning => ({ pin, image })));
    this.#meanings = Map.groupBy(meanings.toSorted(newestFirst), ({ image }) => image.reference);
  }

  /**
   * Compares a revision with the others. `born`: with the one before it, where that meant other bytes. `served`: with the
   * newest one after it, where that does, and was there when it served.
   */
  others({ kind, name, seen, at }: SeenAt): OtherMeaning[] {
    const own = this.#pins.find(({ revision }) => revision.kind === kind && revision.name === name);
    if (own === undefined) return [];
    const servedAt = at.toISOString();
    return own.images.flatMap(({ reference, digest, resolvedAt, source }): OtherMeaning[] => {
      // What Pods ran already says nothing about the tag at that time.
      if (seen === 'born' && source === 'adopted') return [];
      const meanings = this.#meanings.get(reference) ?? [];
      const isHeard = ({ pin, image }: Meaning): boolean => pin !== own && image.source === 'resolved';
      const mayBeAdopted = seen === 'born' && !meanings.some(isHeard);
      const newest = meanings.find((meaning) => {
        if (meaning.pin === own || !(mayBeAdopted || isHeard(meaning))) return false;
        const { resolvedAt: otherAt } = meaning.image;
        return seen === 'born' ? otherAt < resolvedAt : otherAt > resolvedAt && otherAt <= servedAt;
      });
      if (newest === undefined || newest.image.digest === digest) return [];
      const { pin, image } = newest;
      return [{ reference, own: own.revision, digest, other: pin.revision, otherDigest: image.digest }];
    });
  }
}

/** What references mean, by {@link workloadKey}. */
export function meaningsByWorkload(pins: readonly ListedPin[]): ReadonlyMap<string, Meanings> {
  const groups = Map.groupBy(pins, ({ revision }) => workloadKey(revision));
  return new Map([...groups].map(([key, group]) => [key, new Meanings(group)]));
}

function newestFirst({ image: one }: Meaning, { image: two }: Meaning): number {
  if (one.resolvedAt === two.resolvedAt) return 0;
  return one.resolvedAt < two.resolvedAt ? 1 : -1;
}

/** The same for all revisions of a workload: Kubernetes names them after it, and a hash behind a dash. Others may share it. */
export function workloadKey({ kind, name }: Pick<OwnerReference, 'kind' | 'name'>): string {
  return `${kind}/${name.slice(0, Math.max(name.lastIndexOf('-'), 0))}`;
}
