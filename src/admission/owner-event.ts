import type { ImagePin, PinnedImage } from '../pins/image-pin.ts';
import type { OwnerReference } from '../pins/revision.ts';
import type { Decision, Mode } from './outcome.ts';
import type { NamedPod } from './recreation-guard.ts';

/** What happened, for `kubectl describe` of the object that it happened to. */
export interface OwnerEvent {
  readonly namespace: string;
  /** Whom it is about: the Pod's controller. */
  readonly owner: OwnerReference;
  readonly type: 'Normal' | 'Warning';
  readonly reason: (typeof EVENT_REASONS)[number];
  readonly message: string;
}

/** The reasons of our events. docs/outcomes.md explains each one; a test holds the two lists equal. */
export const EVENT_REASONS = [
  'ImagePinned',
  'ImageNotPinned',
  'ImageRefused',
  'RevisionSplit',
  'TagMoved',
  'PinnedDigestMissing',
] as const;

/** A tag that means other bytes than it did in another revision of the same workload. */
export interface TagMove {
  /** Normalised. */
  readonly reference: string;
  readonly from: string;
  readonly to: string;
  /** The revision, by its name, that has the other one of the two digests. */
  readonly other: string;
  /** `born`: a new revision got the newer bytes. `served`: Pods of an older one still get the older bytes. */
  readonly seen: 'born' | 'served';
}

/** How many images one event names. */
const MAX_NAMED = 4;
const MAX_NAMED_DIGESTS = 4;

/** A request that a decision was about, as far as events need it. */
interface Decided {
  readonly namespace: string;
  readonly dryRun: boolean;
}

/** Whether anybody may hear of a decision: dry runs and audits leave no trace. */
export function leavesTrace({ dryRun }: Pick<Decided, 'dryRun'>, mode: Mode): boolean {
  return !dryRun && mode !== 'audit';
}

/** What a decision's owner is told once it is answered. */
export function decisionEvents(
  request: Decided,
  mode: Mode,
  { denial, notPinned = [], ownerReference: owner }: Decision,
): OwnerEvent[] {
  if (owner === undefined || !leavesTrace(request, mode)) return [];
  const { namespace } = request;
  if (denial !== undefined) {
    return [{ namespace, owner, type: 'Warning', reason: 'ImageRefused', message: denial.message }];
  }
  if (notPinned.length === 0) return [];
  const message = listed(notPinned);
  return [{ namespace, owner, type: 'Warning', reason: 'ImageNotPinned', message }];
}

/** These images of the pin were just recorded in it: at its birth, or later. */
export function pinnedEvent(
  owner: OwnerReference,
  { revision }: ImagePin,
  images: readonly PinnedImage[],
): OwnerEvent {
  const texts = images.map(
    ({ reference, digest, source }) =>
      `${reference} is ${digest}${source === 'adopted' ? ', as its Pods ran already' : ''}`,
  );
  const message = `for all Pods of ${revision.name}: ${listed(texts)}`;
  return { namespace: revision.namespace, owner, type: 'Normal', reason: 'ImagePinned', message };
}

/** Pods of a revision run different bytes already; `chosen` is what new ones get, where that is known. */
export function splitEvent(
  owner: OwnerReference,
  namespace: string,
  split: {
    readonly revision: string;
    readonly reference: string;
    readonly digests: readonly string[];
    readonly chosen: string | undefined;
  },
): OwnerEvent {
  const digests = split.digests.slice(0, MAX_NAMED_DIGESTS).join(', ');
  const message = `Pods of ${split.revision} ran different bytes of ${split.reference} before samebytes could pin it (${digests}); new Pods get ${split.chosen ?? 'what the tag means now'}. To heal it: kubectl rollout restart`;
  return { namespace, owner, type: 'Warning', reason: 'RevisionSplit', message };
}

/** A Pod that is left alone from now on. */
export function recreatedEvent({ namespace, name, owner }: NamedPod): OwnerEvent {
  const message = `Pod ${name} was recreated over and over right after samebytes pinned it, so it is left alone now: does its controller compare images? Turn samebytes off for it: annotation samebytes.dev/policy: "off" on the Pods`;
  return { namespace, owner, type: 'Warning', reason: 'ImageNotPinned', message };
}

/** A tag moved between two revisions of a workload. Only old bytes that run again need somebody's attention. */
export function tagMovedEvent(
  owner: OwnerReference,
  namespace: string,
  revision: string,
  { reference, from, to, other, seen }: TagMove,
): OwnerEvent {
  if (seen === 'born') {
    const message = `${reference} has moved: ${revision} runs ${to}, ${other} before it ${from}`;
    return { namespace, owner, type: 'Normal', reason: 'TagMoved', message };
  }
  const message = `Pods of ${revision} run ${from}, as its first Pod did, though ${reference} has moved since: ${other} has ${to}. To get the newer bytes: kubectl rollout restart`;
  return { namespace, owner, type: 'Warning', reason: 'TagMoved', message };
}

/** A registry does not have a digest any more that revisions are pinned to: each of their owners is told. */
export function missingEvents({
  namespace,
  repository,
  digest,
  uses,
}: {
  readonly namespace: string;
  readonly repository: string;
  readonly digest: string;
  readonly uses: readonly { readonly owner: OwnerReference; readonly revision: { readonly name: string } }[];
}): OwnerEvent[] {
  return uses.map(({ owner, revision }) => {
    const message = `the registry does not have ${repository}@${digest} any more, to which ${revision.name} is pinned: nodes that do not have it yet cannot start its Pods. Push it again, or get what the tag means now: kubectl rollout restart`;
    return { namespace, owner, type: 'Warning', reason: 'PinnedDigestMissing', message };
  });
}

function listed(texts: readonly string[]): string {
  const more = texts.length - MAX_NAMED;
  return [...texts.slice(0, MAX_NAMED), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
