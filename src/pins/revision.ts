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
 * What a Pod is a replica of: the object whose uid stands for "the same template, as it was rolled out then".
 * All its Pods get the same digests for as long as it exists.
 */
export interface Revision extends OwnerReference {
  readonly namespace: string;
  /** The label `controller-revision-hash`, where a StatefulSet or DaemonSet names its revision by it. */
  readonly hash?: string;
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
  /** A mirror Pod: the kubelet runs it from a file already. */
  | { readonly type: 'node'; readonly owner: OwnerReference }
  /** A custom resource: its controller may compare the live image with its own and recreate the Pod for ever. */
  | { readonly type: 'custom'; readonly owner: OwnerReference };

const REVISION_HASH_LABEL = 'controller-revision-hash';

const MAX_OBJECT_NAME_LENGTH = 253;
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
  if (groupKind === '/Node') return { type: 'node', owner };
  // Whoever wrote this name had no such owner: nothing is validated yet when we are asked.
  if (!isObjectName(name)) return { type: 'none' };
  if (OWN_REVISION.has(groupKind)) {
    return { type: 'revision', owner, revision: { ...owner, namespace } };
  }
  if (!CONTROLLER_REVISION.has(groupKind)) return { type: 'custom', owner };

  const hash = metadata.labels?.[REVISION_HASH_LABEL];
  // Both controllers set the label before they create the Pod: without it, somebody else made this Pod.
  if (typeof hash !== 'string' || hash === '') return { type: 'none' };
  // A StatefulSet's label holds the ControllerRevision's name, a DaemonSet's only its last part.
  const revisionName = kind === 'DaemonSet' ? `${name}-${hash}` : hash;
  if (!isObjectName(revisionName)) return { type: 'none' };
  return {
    type: 'controllerRevision',
    owner,
    revision: { namespace, name: revisionName, hash, workload: owner },
  };
}

/** One text for one revision. The namespace is part of it, since a Pod's author can invent an owner's uid. */
export function revisionKey({ namespace, uid }: Revision): string {
  return `${namespace}/${uid}`;
}

/** One text for one revision by what the Pod alone tells; undefined where the Pod is a replica of nothing. */
export function ownerKey(owner: PodOwner): string | undefined {
  if (owner.type === 'revision') return revisionKey(owner.revision);
  if (owner.type !== 'controllerRevision') return undefined;
  const { namespace, workload, hash } = owner.revision;
  return `${namespace}/${workload.uid}/${hash}`;
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

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
