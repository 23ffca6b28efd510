import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { waitingFor, type Waits } from '../telemetry/waits.ts';
import { ownerKey, type ControllerRevisionName, type PodOwner, type Revision } from './revision.ts';

/** Looks ControllerRevisions up in the cluster. */
export interface ControllerRevisions {
  /**
   * The uid of the named ControllerRevision if it exists and the workload controls it, else undefined.
   * @throws {PinStoreError} where the cluster gives no answer.
   */
  uidOf(name: ControllerRevisionName, signal: AbortSignal): Promise<string | undefined>;
}

export interface RevisionFinderOptions {
  /** Undefined without a cluster to ask: then workload and hash stand for the revision. */
  readonly controllerRevisions: ControllerRevisions | undefined;
  /** How many revisions are remembered. */
  readonly maxRevisions: number;
}

/**
 * Finds the revision of a Pod's owner. A StatefulSet's or DaemonSet's costs one GET, once per revision: its
 * ControllerRevision's uid outlives `--cascade=orphan` and recreation of the workload, and the GET proves the owner.
 */
export class RevisionFinder {
  readonly #controllerRevisions: ControllerRevisions | undefined;
  readonly #uids: BoundedCache<string, string>;

  constructor({ controllerRevisions, maxRevisions }: RevisionFinderOptions) {
    this.#controllerRevisions = controllerRevisions;
    this.#uids = new BoundedCache({ max: maxRevisions });
  }

  get caches(): WatchedCaches {
    return { controller_revision: this.#uids };
  }

  /** The revision, where nobody has to be asked for it. */
  known(owner: PodOwner): Revision | undefined {
    if (owner.type === 'revision') return owner.revision;
    if (owner.type !== 'controllerRevision') return undefined;
    const uid = this.#uids.get(ownerKey(owner) ?? '');
    return uid === undefined ? undefined : revisionOf(owner.revision, uid);
  }

  /**
   * The revision, or undefined where there is none to share a digest with: bare Pods, custom owners, and owners
   * that the cluster does not confirm.
   * @throws {PinStoreError} where the cluster gives no answer.
   */
  async find(owner: PodOwner, signal: AbortSignal, waits?: Waits): Promise<Revision | undefined> {
    if (owner.type === 'revision') return owner.revision;
    if (owner.type !== 'controllerRevision') return undefined;

    const uid = await this.#uidOf(owner.revision, ownerKey(owner) ?? '', signal, waits);
    return uid === undefined ? undefined : revisionOf(owner.revision, uid);
  }

  /**
   * The revision as the cluster has it now, whatever was remembered: to be asked before a pin is made. A
   * ControllerRevision that was deleted and made again under its name is another one.
   * @throws {PinStoreError} where the cluster gives no answer.
   */
  async findAnew(owner: PodOwner, signal: AbortSignal, waits?: Waits): Promise<Revision | undefined> {
    this.#uids.delete(ownerKey(owner) ?? '');
    return this.find(owner, signal, waits);
  }

  async #uidOf(
    revision: ControllerRevisionName,
    key: string,
    signal: AbortSignal,
    waits: Waits | undefined,
  ): Promise<string | undefined> {
    if (this.#controllerRevisions === undefined) return `${revision.workload.uid}.${revision.hash}`;
    const known = this.#uids.get(key);
    if (known !== undefined) return known;
    const uid = await waitingFor('api', waits, this.#controllerRevisions.uidOf(revision, signal));
    if (uid !== undefined) this.#uids.set(key, uid);
    return uid;
  }
}

function revisionOf({ namespace, name, hash, workload }: ControllerRevisionName, uid: string): Revision {
  const { apiVersion, kind } = workload;
  const above = { kind, name: workload.name };
  return { apiVersion, kind: 'ControllerRevision', name, uid, namespace, hash, workload: above };
}
