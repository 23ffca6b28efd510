import type { PodOwner } from './revision.ts';

/** One image field of a Pod of the revision, as far as it tells which bytes run there. */
export interface SiblingImage {
  /** The image as it stands in the Pod. */
  readonly image: string;
  /** What our annotation says about it: the reference as it was written, and the digest that it got. */
  readonly recorded: { readonly reference: string; readonly digest: string } | undefined;
  /** `status.containerStatuses[].imageID` of a container that has started; undefined before that. */
  readonly imageId: string | undefined;
  /** What the Pod is at: it runs, waits for its start, or is on its way out (deleted or finished). */
  readonly state: 'running' | 'waiting' | 'leaving';
}

/** Other Pods of a revision, and the nodes they may run on. */
export interface Siblings {
  /**
   * The images of the revision's Pods that are there already: of those with this owner, found by the selectors.
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
  /** Label selectors, to be tried in this order until one finds Pods of the owner; an empty one selects all. */
  readonly selectors: readonly string[];
}

type Labels = Readonly<Record<string, unknown>>;
type Owned = Extract<PodOwner, { type: 'revision' | 'controllerRevision' }>;

const LABEL_VALUE = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_NAME = /^(?:[-A-Za-z0-9.]{1,253}\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** How to find the Pods of a Pod's revision; undefined where it has none that could be found. */
export function siblingQuery(owner: PodOwner, labels: Labels): SiblingQuery | undefined {
  if (owner.type !== 'revision' && owner.type !== 'controllerRevision') return undefined;
  // A Pod that belongs to a Pod is its revision's only one as far as labels tell.
  if (owner.owner.kind === 'Pod') return undefined;
  const certain = revisionSelector(owner, labels);
  return {
    namespace: owner.revision.namespace,
    ownerUid: owner.owner.uid,
    // A Pod's author chooses its labels: what they do not find may be there all the same.
    selectors: certain === undefined ? [selectorOf(labels), ''].filter(isFirst) : [certain],
  };
}

/**
 * The label that Kubernetes' own controllers give to all Pods of one revision and to no others, where the Pod has it with
 * the value that its owner proves; undefined otherwise.
 */
function revisionSelector(owner: Owned, labels: Labels): string | undefined {
  if (owner.type === 'controllerRevision')
    return selectorOf({ 'controller-revision-hash': owner.revision.hash });
  const { kind, name, uid } = owner.owner;
  const hash = labels['pod-template-hash'];
  if (kind === 'ReplicaSet' && typeof hash === 'string' && hash !== '' && name.endsWith(`-${hash}`)) {
    return selectorOf({ 'pod-template-hash': hash });
  }
  const label = ['batch.kubernetes.io/controller-uid', 'controller-uid'].find((each) => labels[each] === uid);
  return kind === 'Job' && label !== undefined ? selectorOf({ [label]: uid }) : undefined;
}

/** A selector by all these labels; what could not be a label would change the question, and is left out. */
function selectorOf(labels: Labels): string {
  return Object.entries(labels)
    .filter(([name, value]) => LABEL_NAME.test(name) && typeof value === 'string' && LABEL_VALUE.test(value))
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(',');
}

function isFirst(selector: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(selector) === index;
}
