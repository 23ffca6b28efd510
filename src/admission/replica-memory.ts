import { isObject } from '../json/json-object.ts';
import type { PinVersion } from '../pins/pin-memory.ts';
import type { PodPins } from '../pins/pinner.ts';
import type { PodOwner } from '../pins/revision.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { Decision, Mode } from './outcome.ts';
import { leavesTrace } from './owner-event.ts';
import { imageFields } from './pod-images.ts';
import { watchedName } from './recreation-guard.ts';
import type { AdmissionRequest } from './review.ts';

/** A decision that nothing but the request, the operator's rules and one version of a pin had a part in. */
export interface ReplicaDecision {
  readonly decision: Decision;
  readonly owner: PodOwner;
  /** Taken before the pin was read. */
  readonly pin: PinVersion;
}

const MAX_DECISIONS = 1_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Measured: a decision about one more image, with the answer and the line of the log that are made of it. */
const BYTES_PER_IMAGE = 2_500;
/** A text has two bytes a character at most. */
const BYTES_PER_CHARACTER = 2;
/** What a Pod's author wrote is in the patch, in the answer that has it in Base64, in warnings, and in the line of the log. */
const BYTES_PER_WRITTEN_CHARACTER = 8;
/** That of a Pod of a hundred containers; others are decided about each time. V8 finds longer ones slowly. */
const MAX_KEY_LENGTH = 16_000;

/**
 * Decisions for further replicas: the Pods of a revision differ in their names, and in nothing that decides. A decision is
 * found by the very words of all that it was made of, and holds for as long as the revision's pin is the same.
 */
export class ReplicaMemory {
  readonly #pinner: Pick<PodPins, 'stillHolds' | 'answersStill'>;
  readonly #decisions = new BoundedCache<string, ReplicaDecision>({
    max: MAX_DECISIONS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ decision }, key) => bytesOf(decision) + key.length * BYTES_PER_CHARACTER,
  });

  constructor({ pinner }: { readonly pinner: Pick<PodPins, 'stillHolds' | 'answersStill'> }) {
    this.#pinner = pinner;
  }

  get caches(): WatchedCaches {
    return { decision: this.#decisions };
  }

  /** What was decided about the last replica that said the same, where that holds still. */
  get(request: AdmissionRequest, mode: Mode): Decision | undefined {
    const key = keyOf(request, mode);
    const known = key === undefined ? undefined : this.#decisions.get(key);
    if (key === undefined || known === undefined) return undefined;
    if (this.#pinner.answersStill(known.owner, known.pin)) return known.decision;
    this.#decisions.delete(key);
    return undefined;
  }

  keep(request: AdmissionRequest, mode: Mode, { decision, owner, pin }: ReplicaDecision): void {
    if (decision.outcome !== 'pinned' || !this.#pinner.stillHolds(owner, pin)) return;
    const key = keyOf(request, mode);
    if (key === undefined || key.length > MAX_KEY_LENGTH) return;
    this.#decisions.set(key, { decision: { ...decision, isRepeated: true }, owner, pin });
  }
}

function bytesOf({ images, patch, warnings }: Decision): number {
  const written = JSON.stringify([patch, warnings]).length;
  return images.length * BYTES_PER_IMAGE + written * BYTES_PER_WRITTEN_CHARACTER;
}

/**
 * All that a decision about a new Pod reads, in the words of the request; of its name only whether it is one that the
 * recreation guard watches. Undefined for everything but new Pods, and for whoever only looks, who must leave no trace.
 */
function keyOf(request: AdmissionRequest, mode: Mode): string | undefined {
  const { operation, resource, subResource, namespace, object } = request;
  if (operation !== 'CREATE' || resource !== 'pods' || subResource !== '') return undefined;
  if (!leavesTrace(request, mode) || object === undefined) return undefined;
  const { metadata, spec } = object;
  if (!isObject(metadata) || !isObject(spec)) return undefined;
  const { labels, annotations, ownerReferences } = metadata;
  const place = [mode, namespace, watchedName(object) !== ''];
  const read = [labels, annotations, ownerReferences, spec['imagePullSecrets']];
  try {
    // The images by themselves: there are many, and they tell numbers already.
    return JSON.stringify([...place, ...read], onlyWhatJsonHas) + JSON.stringify(imageFields(spec));
  } catch {
    // Nested deeper than can be written, or not to be told from something else.
    return undefined;
  }
}

/** A number like 1e400 is read as infinite, and would be written as null. */
function onlyWhatJsonHas(_key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('JSON has no such number');
  return value;
}
