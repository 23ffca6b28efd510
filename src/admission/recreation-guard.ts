import { isObject, type JsonObject } from '../json/json-object.ts';
import type { OwnerReference } from '../pins/revision.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { waitingFor, type Waits } from '../telemetry/waits.ts';

/** A Pod by what it is called, whichever of its lives it is in. */
export interface NamedPod {
  readonly namespace: string;
  readonly name: string;
  readonly owner: OwnerReference;
  /** Which revision it is a replica of: a rollout makes a Pod anew, and compares nothing. Undefined for custom owners. */
  readonly revision: string | undefined;
}

/** Empty where the Pod has none, or one that is longer than the API server takes: that is not worth remembering. */
export function watchedName({ metadata }: JsonObject): string {
  const name = isObject(metadata) ? metadata['name'] : undefined;
  return typeof name === 'string' && name.length <= MAX_POD_NAME_LENGTH ? name : '';
}

/** Tells how often a Pod of this name really came into being lately. */
export interface PodLives {
  /**
   * How many different Pods of this name ran in the last hour or so, and were not taken away by Kubernetes itself.
   * @throws where it cannot tell.
   */
  count(pod: NamedPod, signal: AbortSignal): Promise<number>;
}

export interface RecreationGuardOptions {
  /** After so many recreations in a row a Pod is left alone; 0 switches the guard off. */
  readonly maxRecreations: number;
  /** A Pod that comes back within this time of being pinned counts as recreated, in milliseconds. */
  readonly withinMs: number;
  /** Undefined without a cluster: then nobody is ever left alone. */
  readonly lives: PodLives | undefined;
  readonly onLeftAlone: (pod: NamedPod) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

interface History {
  readonly atMs: number;
  readonly recreations: number;
  readonly isLeftAlone: boolean;
}

const MAX_POD_NAME_LENGTH = 253;
const MAX_PODS = 20_000;
/** How long a Pod stays left alone after it was last created. */
const LEFT_ALONE_MS = 60 * 60_000;

/**
 * A guard against ourselves: a controller that compares the image of its Pod with its own sees a difference that we made,
 * and recreates the Pod for ever (aerospike-kubernetes-operator#402, cloudnative-pg#6344). Such Pods keep their names, and
 * come back right after they were pinned. A creation that is only tried again and again (a quota, a registry that is away)
 * looks the same from here, so the cluster is asked whether the Pod really lived: leaving Pods alone breaks the promise,
 * and is the last resort. Pods with generated names are not watched: no such controller makes those.
 */
export class RecreationGuard {
  readonly #options: RecreationGuardOptions;
  readonly #histories: BoundedCache<string, History>;

  constructor(options: RecreationGuardOptions) {
    this.#options = options;
    this.#histories = new BoundedCache({
      max: MAX_PODS,
      ttl: LEFT_ALONE_MS,
      ttlResolution: 0,
      perf: { now: options.now },
    });
  }

  get caches(): WatchedCaches {
    return { recreation: this.#histories };
  }

  /** Notes that a Pod is created whose images would be pinned, and says whether to leave it alone instead. */
  async shouldLeave(pod: NamedPod, signal: AbortSignal, waits?: Waits): Promise<boolean> {
    const { maxRecreations, withinMs, now } = this.#options;
    if (maxRecreations === 0 || this.#options.lives === undefined) return false;
    const key = JSON.stringify([pod.namespace, pod.name, pod.owner.uid, pod.revision]);
    const before = this.#histories.get(key);
    const atMs = now();
    const isLeftAlone = before?.isLeftAlone ?? false;
    const isRecreated = before !== undefined && atMs - before.atMs <= withinMs;
    const recreations = isRecreated ? before.recreations + 1 : 0;
    this.#histories.set(key, { atMs, recreations, isLeftAlone });
    if (isLeftAlone || recreations < maxRecreations) return isLeftAlone;

    const { lives } = this.#options;
    const lived = await waitingFor('api', waits, lives.count(pod, signal)).catch(() => 0);
    // Each of our processes sees a part of the creations, and events may be lost: half of them is proof enough.
    const isProven = lived > maxRecreations / 2;
    this.#histories.set(key, { atMs, recreations: 0, isLeftAlone: isProven });
    if (isProven) this.#options.onLeftAlone(pod);
    return isProven;
  }
}
