import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { CustomObjectsApi } from '@kubernetes/client-node';
import type { TagMove } from '../admission/owner-event.ts';
import { isObject } from '../json/json-object.ts';
import type { OwnerReference } from '../pins/revision.ts';
import { meaningsByWorkload, workloadKey, type ListedPin, type OtherMeaning } from '../pins/tag-history.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { limitOf, type WatchedLimits } from '../telemetry/limits.ts';
import { IMAGE_PINS, readListedPin } from './image-pin-object.ts';
import { PageSize } from './page-size.ts';
import { endingWith, plainError } from './request-options.ts';
import type { Workloads } from './workloads.ts';

/** A revision whose pin was just made (`born`), or gave a Pod its digests (`served`). */
export interface SeenRevision {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  /** Whom to tell: the Pod's controller. */
  readonly owner: OwnerReference;
  readonly seen: TagMove['seen'];
  /** When that was. What is born later is another story. */
  readonly at: Date;
}

export interface TagHistoryOptions {
  readonly api: Pick<CustomObjectsApi, 'listNamespacedCustomObject'>;
  readonly workloads: Pick<Workloads, 'above'>;
  readonly onMove: (revision: SeenRevision, move: TagMove) => void;
  /** Told of each problem once in ten minutes. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** How long to rest after a page of a list, in milliseconds. */
  readonly restMs?: number;
}

/** The same is told once in this time. */
const TELL_AGAIN_MS = 10 * 60_000;
const MAX_TOLD = 5_000;
const MAX_WAITING = 1_000;
const PAGE = 200;
const MAX_PAGES = 25;
/** Images of pins that are compared at once: some ten megabytes. */
const MAX_IMAGES = 30_000;
const TIMEOUT_MS = 5_000;
const REST_MS = 1_000;

/**
 * Notices that a tag moved between revisions of one workload: when a new one is born, and when an old one serves again. All
 * webhook processes know the same, since they ask the ImagePins, and not the registry. It happens after admissions, out of
 * their way: one page of a namespace's pins a second at most, for all the revisions that wait; too many are passed over.
 */
export class TagHistory {
  readonly #options: TagHistoryOptions;
  readonly #told: BoundedCache<string, true>;
  /** By namespace, and by revision in it. */
  readonly #waiting = new Map<string, Map<string, SeenRevision>>();
  #waitingCount = 0;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: TagHistoryOptions) {
    this.#options = options;
    this.#told = new BoundedCache({
      max: MAX_TOLD,
      ttl: TELL_AGAIN_MS,
      ttlResolution: 0,
      perf: { now: options.now },
    });
  }

  get limits(): WatchedLimits {
    return { tag_histories_waiting: limitOf(() => this.#waitingCount, MAX_WAITING) };
  }

  get caches(): WatchedCaches {
    return { tag_history: this.#told };
  }

  look(revision: SeenRevision): void {
    const { namespace, kind, name, seen } = revision;
    if (kind !== 'ReplicaSet' && kind !== 'ControllerRevision') return;
    const key = `${kind}/${name} ${seen}`;
    const waiting = this.#waiting.get(namespace) ?? new Map<string, SeenRevision>();
    if (this.#closing.signal.aborted) return;
    if (!waiting.has(key)) {
      // No more of one namespace than there is room left for the others.
      if (waiting.size >= MAX_WAITING - this.#waitingCount) return;
      this.#waitingCount += 1;
    }
    waiting.set(key, revision);
    this.#waiting.set(namespace, waiting);
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the process ends'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    // Whoever looked first is in the middle of an admission.
    await nextTurn();
    while (!signal.aborted) {
      const [first] = this.#waiting;
      if (first === undefined) break;
      const [namespace, revisions] = first;
      this.#waiting.delete(namespace);
      this.#waitingCount -= revisions.size;
      try {
        const workloads = new Set([...revisions.values()].map(workloadKey));
        const meanings = meaningsByWorkload(await this.#pinsIn(namespace, workloads));
        for (const revision of revisions.values()) {
          await this.#compare(revision, meanings.get(workloadKey(revision))?.others(revision) ?? []);
          // Hundreds of revisions may wait, each with a hundred images: admissions come in between.
          await nextTurn();
        }
      } catch (error) {
        if (!signal.aborted) this.#tellProblem(error);
      }
      await this.#rest();
    }
    this.#running = undefined;
  }

  async #compare(revision: SeenRevision, meanings: readonly OtherMeaning[]): Promise<void> {
    for (const meaning of meanings) {
      const move = moveOf(revision, meaning);
      const key = JSON.stringify([revision.namespace, revision.kind, revision.name, move]);
      if (this.#told.has(key) || !(await this.#isOfOneWorkload(revision, meaning))) continue;
      this.#told.set(key, true);
      this.#options.onMove(revision, move);
    }
  }

  /** Names only suggest it. */
  async #isOfOneWorkload({ namespace }: SeenRevision, { own, other }: OtherMeaning): Promise<boolean> {
    const [one, two] = [
      await this.#options.workloads.above(namespace, own, this.#signal()),
      await this.#options.workloads.above(namespace, other, this.#signal()),
    ];
    return one !== undefined && one.uid === two?.uid;
  }

  /** The pins of these workloads. */
  async #pinsIn(namespace: string, workloads: ReadonlySet<string>): Promise<ListedPin[]> {
    const pins: ListedPin[] = [];
    let imageCount = 0;
    const size = new PageSize(PAGE);
    let next: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      if (page > 0) await this.#rest();
      const list = await this.#page(namespace, size, next);
      const { items, metadata } = isObject(list) ? list : {};
      for (const item of Array.isArray(items) ? items : []) {
        const pin = readListedPin(item);
        if (pin === undefined || !workloads.has(workloadKey(pin.revision))) continue;
        pins.push(pin);
        imageCount += pin.images.length;
      }
      next = isObject(metadata) && typeof metadata['continue'] === 'string' ? metadata['continue'] : '';
      if (next === '' || imageCount >= MAX_IMAGES) break;
    }
    return pins;
  }

  async #page(namespace: string, size: PageSize, next: string | undefined): Promise<unknown> {
    const request = {
      ...IMAGE_PINS,
      namespace,
      ...(next === undefined ? {} : { _continue: next }),
    };
    try {
      return await size.read((limit) =>
        this.#options.api.listNamespacedCustomObject({ ...request, limit }, endingWith(this.#signal())),
      );
    } catch (error) {
      throw plainError('cannot list ImagePins', error);
    }
  }

  /** An API server that is away is asked again each second. */
  #tellProblem(error: unknown): void {
    const key = `${String(error)}: ${error instanceof Error ? String(error.cause) : ''}`;
    if (this.#told.has(key)) return;
    this.#told.set(key, true);
    this.#options.onError(error);
  }

  #signal(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#closing.signal]);
  }

  async #rest(): Promise<void> {
    const { signal } = this.#closing;
    await pause(this.#options.restMs ?? REST_MS, undefined, { signal }).catch(() => {});
  }
}

function moveOf({ seen }: SeenRevision, { reference, digest, other, otherDigest }: OtherMeaning): TagMove {
  const [from, to] = seen === 'born' ? [otherDigest, digest] : [digest, otherDigest];
  return { reference, from, to, other: other.name, seen };
}
