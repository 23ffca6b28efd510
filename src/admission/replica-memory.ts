import { isObject, type JsonObject } from '../json/json-object.ts';
import type { PinVersion } from '../pins/pin-memory.ts';
import type { PodPins } from '../pins/pinner.ts';
import type { PodOwner } from '../pins/revision.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { Decision, Mode } from './outcome.ts';
import { leavesTrace } from './owner-event.ts';
import { isLikePod, partsOf, type ReplicaParts } from './replica-parts.ts';
import type { AdmissionRequest } from './review.ts';

/** A decision that nothing but the request, the operator's rules and one version of a pin had a part in. */
export interface ReplicaDecision {
  readonly decision: Decision;
  readonly owner: PodOwner;
  /** Taken before the pin was read. */
  readonly pin: PinVersion;
}

interface Known extends ReplicaDecision {
  readonly parts: ReplicaParts;
}

const MAX_DECISIONS = 1_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Measured: a decision about one more image, with the answer and the line of the log that are made of it. */
const BYTES_PER_IMAGE = 2_500;
/** What a Pod's author wrote is in the patch, in the answer that has it in Base64, in warnings, and in the line of the log. */
const BYTES_PER_WRITTEN_CHARACTER = 8;
/** A uid has 36 characters; V8 finds longer texts slowly. */
const MAX_UID_LENGTH = 100;

/**
 * Decisions for further replicas: the Pods of a revision differ in their names, and in nothing that decides. One is kept for each
 * owner, with all that it was made of; it holds for Pods that have the very same, and for as long as the revision's pin is the same.
 */
export class ReplicaMemory {
  readonly #pinner: Pick<PodPins, 'stillHolds' | 'answersStill'>;
  readonly #decisions = new BoundedCache<string, Known>({
    max: MAX_DECISIONS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ decision, parts }) => bytesOf(decision) + parts.bytes,
  });

  constructor({ pinner }: { readonly pinner: Pick<PodPins, 'stillHolds' | 'answersStill'> }) {
    this.#pinner = pinner;
  }

  get caches(): WatchedCaches {
    return { decision: this.#decisions };
  }

  /** What was decided about the last replica, where this one has the same, and that holds still. */
  get(request: AdmissionRequest, mode: Mode): Decision | undefined {
    const key = keyOf(request, mode);
    const known = key === undefined ? undefined : this.#decisions.get(key);
    if (key === undefined || known === undefined) return undefined;
    if (!isLikePod(request.object, known.parts)) return undefined;
    if (this.#pinner.answersStill(known.owner, known.pin)) return known.decision;
    this.#decisions.delete(key);
    return undefined;
  }

  keep(request: AdmissionRequest, mode: Mode, { decision, owner, pin }: ReplicaDecision): void {
    if (decision.outcome !== 'pinned' || !this.#pinner.stillHolds(owner, pin)) return;
    const key = keyOf(request, mode);
    const parts = key === undefined ? undefined : partsOf(request.object);
    if (key === undefined || parts === undefined) return;
    const repeated: Decision = { ...decision, isRepeated: true };
    this.#decisions.set(key, { parts, decision: repeated, owner, pin });
  }
}

function bytesOf({ images, patch, warnings }: Decision): number {
  const written = JSON.stringify([patch, warnings]).length;
  return images.length * BYTES_PER_IMAGE + written * BYTES_PER_WRITTEN_CHARACTER;
}

/**
 * Whose Pod it is, and in which namespace: the uid is compared once more, so no two of those have one key. Undefined for everything
 * but new Pods with an owner, and for whoever only looks, who must leave no trace.
 */
function keyOf(request: AdmissionRequest, mode: Mode): string | undefined {
  const { operation, resource, subResource, namespace, object } = request;
  if (operation !== 'CREATE' || resource !== 'pods' || subResource !== '') return undefined;
  if (!leavesTrace(request, mode) || object === undefined) return undefined;
  const uid = firstOwnerUid(object);
  return uid === undefined ? undefined : `${mode} ${namespace} ${uid}`;
}

/** Of the first one, whoever decides: which revision it is, is among the parts that are compared. */
function firstOwnerUid({ metadata }: JsonObject): string | undefined {
  const owners = isObject(metadata) ? metadata['ownerReferences'] : undefined;
  const [owner] = Array.isArray(owners) ? (owners as unknown[]) : [];
  const uid = isObject(owner) ? owner['uid'] : undefined;
  return typeof uid === 'string' && uid.length <= MAX_UID_LENGTH ? uid : undefined;
}
