import type { PodOwner } from './revision.ts';

/** One image field of a Pod of the revision, as far as it tells which bytes run there. */
export interface SiblingImage {
  /** The image as it stands in the Pod. */
  readonly image: string;
  /** What our annotation says about it: the reference as it was written, and the digest that it got. */
  readonly recorded: { readonly reference: string; readonly digest: string } | undefined;
  /** `status.containerStatuses[].imageID` of a container that has started; undefined before that. */
  readonly imageId: string | undefined;
}

/** Other Pods of a revision, and the nodes they may run on. */
export interface Siblings {
  /**
   * The images of the revision's Pods that are there already: of those with this owner, found by the selector.
   * @throws {PinStoreError} `pin_unreadable`
   */
  imagesOf(query: SiblingQuery, signal: AbortSignal): Promise<readonly SiblingImage[]>;

  /**
   * Whether all nodes have the same operating system and architecture.
   * @throws {PinStoreError} `pin_unreadable`
   */
  shareOnePlatform(signal: AbortSignal): Promise<boolean>;
}

export interface SiblingQuery {
  readonly namespace: string;
  /** The uid of the Pods' controller. */
  readonly ownerUid: string;
  /** A label selector; empty where nothing narrows the search. */
  readonly selector: string;
}

const LABEL_VALUE = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_NAME = /^(?:[-A-Za-z0-9.]{1,253}\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
/** Labels that Kubernetes' own controllers give to all Pods of one revision, and to no others; the first found is used. */
const REVISION_LABELS = [
  'controller-revision-hash',
  'pod-template-hash',
  'batch.kubernetes.io/controller-uid',
  'controller-uid',
];

/** How to find the Pods of a Pod's revision; undefined where it has none that could be found. */
export function siblingQuery(
  owner: PodOwner,
  labels: Readonly<Record<string, unknown>>,
): SiblingQuery | undefined {
  if (owner.type !== 'revision' && owner.type !== 'controllerRevision') return undefined;
  // A Pod that belongs to a Pod is its revision's only one as far as labels tell.
  if (owner.owner.kind === 'Pod') return undefined;
  const usable = Object.entries(labels).filter(
    (entry): entry is [string, string] =>
      LABEL_NAME.test(entry[0]) && typeof entry[1] === 'string' && LABEL_VALUE.test(entry[1]),
  );
  const byRevision = REVISION_LABELS.flatMap((name) => usable.filter(([label]) => label === name)).slice(
    0,
    1,
  );
  const narrowing = byRevision.length > 0 ? byRevision : usable;
  return {
    namespace: owner.revision.namespace,
    ownerUid: owner.owner.uid,
    selector: narrowing.map(([name, value]) => `${name}=${value}`).join(','),
  };
}
