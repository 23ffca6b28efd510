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
  /** What the revision in question has. */
  readonly digest: string;
  readonly other: OwnerReference;
  readonly otherDigest: string;
}

/**
 * Compares a revision with others that may belong to the same workload, by when each heard what a reference means. `born`:
 * the one before it, where that meant other bytes. `served`: the newest one after it, where that does, and was there when it
 * served.
 */
export function otherMeanings(revision: SeenAt, pins: readonly ListedPin[]): OtherMeaning[] {
  const own = pins.find((pin) => pin.revision.kind === revision.kind && pin.revision.name === revision.name);
  const key = workloadKey(revision);
  const others = pins.filter((pin) => pin !== own && workloadKey(pin.revision) === key);
  return (own?.images ?? []).flatMap(({ reference, digest, resolvedAt, source }): OtherMeaning[] => {
    // What Pods ran already says nothing about the tag at that time.
    if (revision.seen === 'born' && source === 'adopted') return [];
    const meanings = others.flatMap(({ revision: other, images }) =>
      images.filter((image) => image.reference === reference).map((image) => ({ other, image })),
    );
    const heard = meanings.filter(({ image }) => image.source === 'resolved');
    const compared = heard.length === 0 && revision.seen === 'born' ? meanings : heard;
    const [newest] = compared
      .filter(({ image }) =>
        revision.seen === 'born'
          ? image.resolvedAt < resolvedAt
          : image.resolvedAt > resolvedAt && image.resolvedAt <= revision.at.toISOString(),
      )
      .toSorted((one, two) => (one.image.resolvedAt < two.image.resolvedAt ? 1 : -1));
    if (newest === undefined || newest.image.digest === digest) return [];
    return [{ reference, digest, other: newest.other, otherDigest: newest.image.digest }];
  });
}

/** The same for all revisions of a workload: Kubernetes names them after it, and a hash behind a dash. Others may share it. */
export function workloadKey({ kind, name }: Pick<OwnerReference, 'kind' | 'name'>): string {
  return `${kind}/${name.slice(0, Math.max(name.lastIndexOf('-'), 0))}`;
}
