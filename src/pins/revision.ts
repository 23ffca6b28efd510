import { isObject } from '../json/json-object.ts';

/** The part of a Pod's metadata that tells what the Pod is a replica of. */
export interface PodMetadata {
  readonly labels?: Readonly<Record<string, unknown>> | null;
  readonly ownerReferences?: readonly unknown[] | null;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * What people call that which rolls revisions out: the StatefulSet or DaemonSet; above a ReplicaSet the Deployment (or
 * Argo's Rollout), by its name alone, since a Pod says no more about it.
 */
export interface Workload {
  readonly kind: string;
  readonly name: string;
}

/**
 * What a Pod is a replica of: the object whose uid stands for "the same template, as it was rolled out then".
 * All its Pods get the same digests for as long as it exists.
 */
export interface Revision extends OwnerReference {
  readonly namespace: string;
  /** The label `controller-revision-hash`, where a StatefulSet or DaemonSet names its revision by it. */
  readonly hash?: string;
  /** Undefined where the revision is all that there is: a Job, a ReplicaSet that somebody made by hand. */
  readonly workload?: Workload;
}

/** A StatefulSet's or DaemonSet's revision, known by name; its uid has to be asked for. */
export interface ControllerRevisionName {
  readonly namespace: string;
  readonly name: string;
  readonly hash: string;
  readonly workload: OwnerReference;
}

export type PodOwner =
  /** The owner is the revision. */
  | { readonly type: 'revision'; readonly owner: OwnerReference; readonly revision: Revision }
  /** The owner's ControllerRevision is the revision. */
  | {
      readonly type: 'controllerRevision';
      readonly owner: OwnerReference;
      readonly revision: ControllerRevisionName;
    }
  /** A bare Pod, or one whose owners do not control it. */
  | { readonly type: 'none' }
  /** A custom resource: its controller may compare the live image with its own and recreate the Pod for ever. */
  | { readonly type: 'custom'; readonly owner: OwnerReference };

const REVISION_HASH_LABEL = 'controller-revision-hash';
/** Whoever makes ReplicaSets gives their Pods the hash that its name ends with (Argo Rollouts: under a label of its own). */
const TEMPLATE_HASH_LABELS = [
  ['pod-template-hash', 'Deployment'],
  ['rollouts-pod-template-hash', 'Rollout'],
] as const;

const MAX_OBJECT_NAME_LENGTH = 253;
/** The longest is an apiVersion: a group of 253 characters, a slash and a version of 63. Uids have 36. */
const MAX_TEXT_LENGTH = 317;
const PRINTABLE = /^[!-~]+$/;
const OBJECT_NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** Group and kind of the owners that are revisions themselves. */
const OWN_REVISION: ReadonlySet<string> = new Set([
  'apps/ReplicaSet',
  '/ReplicationController',
  'batch/Job',
  '/Pod',
]);
const CONTROLLER_REVISION: ReadonlySet<string> = new Set(['apps/StatefulSet', 'apps/DaemonSet']);

/** Tells a Pod's owner from its metadata alone: the one owner reference with `controller: true`. */
export function ownerOf(metadata: PodMetadata, namespace: string): PodOwner {
  const owner = controllerOf(metadata.ownerReferences ?? []);
  if (owner === undefined) return { type: 'none' };
  const { apiVersion, kind, name } = owner;
  const groupKind = `${groupOf(apiVersion)}/${kind}`;
  // Whoever wrote this name had no such owner: nothing is validated yet when we are asked.
  if (!isObjectName(name)) return { type: 'none' };
  if (OWN_REVISION.has(groupKind)) {
    const workload = kind === 'ReplicaSet' ? workloadAbove(name, metadata.labels ?? {}) : undefined;
    const revision = { ...stable(owner), namespace, ...(workload === undefined ? {} : { workload }) };
    return { type: 'revision', owner, revision };
  }
  if (!CONTROLLER_REVISION.has(groupKind)) {
    // Nothing of Kubernetes' own controls Pods besides: a Node, say, or a ConfigMap is not what this Pod is a replica of.
    return isBuiltIn(groupOf(apiVersion)) ? { type: 'none' } : { type: 'custom', owner };
  }

  const hash = metadata.labels?.[REVISION_HASH_LABEL];
  // Both controllers set the label before they create the Pod: without it, somebody else made this Pod.
  if (typeof hash !== 'string' || hash === '') return { type: 'none' };
  // A StatefulSet's label holds the ControllerRevision's name, a DaemonSet's only its last part.
  const revisionName = kind === 'DaemonSet' ? `${name}-${hash}` : hash;
  if (!isObjectName(revisionName)) return { type: 'none' };
  return {
    type: 'controllerRevision',
    owner,
    revision: { namespace, name: revisionName, hash, workload: stable(owner) },
  };
}

/**
 * One text for one revision. Namespace, kind and name are part of it beside the uid, as they are in what is recorded: a
 * Pod's author can claim another's uid, and must not get into its memory under a name of their own.
 */
export function revisionKey({
  namespace,
  kind,
  name,
  uid,
}: Pick<Revision, 'namespace' | 'kind' | 'name' | 'uid'>): string {
  // As one flat text, since it is kept: a template's is a tree of its parts.
  return [namespace, kind, name, uid].join('/');
}

/** The revision as an object that others refer to. */
export function referenceTo({ apiVersion, kind, name, uid }: OwnerReference): OwnerReference {
  return { apiVersion, kind, name, uid };
}

/** One text for one revision by what the Pod alone tells; undefined where the Pod is a replica of nothing. */
export function ownerKey(owner: PodOwner): string | undefined {
  if (owner.type === 'revision') return revisionKey(owner.revision);
  if (owner.type !== 'controllerRevision') return undefined;
  const { namespace, name, workload, hash } = owner.revision;
  return `${namespace}/${workload.kind}/${name}/${workload.uid}/${hash}`;
}

/** What made this ReplicaSet, by the label that its Pods have then. */
function workloadAbove(name: string, labels: Readonly<Record<string, unknown>>): Workload | undefined {
  for (const [label, kind] of TEMPLATE_HASH_LABELS) {
    const hash = labels[label];
    if (typeof hash !== 'string' || hash === '' || !name.endsWith(`-${hash}`)) continue;
    return { kind, name: name.slice(0, -hash.length - 1) };
  }
  return undefined;
}

/**
 * The owner in version v1 of its group, which is the one that these kinds have. Whoever wrote the reference could have
 * invented another, and garbage collection never ends what belongs to a version that does not exist.
 */
function stable(owner: OwnerReference): OwnerReference {
  const group = groupOf(owner.apiVersion);
  return { ...owner, apiVersion: group === '' ? 'v1' : `${group}/v1` };
}

/** Groups of custom resources always have a dot, and `k8s.io` is kept for Kubernetes itself. */
function isBuiltIn(group: string): boolean {
  return !group.includes('.') || group.endsWith('.k8s.io');
}

/** A DNS subdomain (RFC 1123), which all these objects are named by. */
function isObjectName(text: string): boolean {
  return text.length <= MAX_OBJECT_NAME_LENGTH && OBJECT_NAME.test(text);
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? '' : apiVersion.slice(0, slash);
}

function controllerOf(references: readonly unknown[]): OwnerReference | undefined {
  for (const value of references) {
    if (!isObject(value) || value['controller'] !== true) continue;
    const { apiVersion, kind, name, uid } = value;
    if (isText(apiVersion) && isText(kind) && isText(name) && isText(uid))
      return { apiVersion, kind, name, uid };
  }
  return undefined;
}

/** What names an object is printable, and short; what a Pod's author made up may be neither, and is remembered and shown. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT_LENGTH && PRINTABLE.test(value);
}
