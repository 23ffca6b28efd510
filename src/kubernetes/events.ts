import { randomUUID } from 'node:crypto';
import type { CoreV1Api } from '@kubernetes/client-node';
import type { OwnerReference } from '../pins/revision.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { endingWith, plainCause } from './request-options.ts';

/** What happened, for `kubectl describe` of the object that it happened to. */
export interface OwnerEvent {
  readonly namespace: string;
  readonly owner: OwnerReference;
  readonly reason: 'RevisionSplit' | 'ImageNotPinned';
  readonly message: string;
}

export interface EventsOptions {
  readonly api: Pick<CoreV1Api, 'createNamespacedEvent'>;
  readonly onError: (error: unknown) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** The same words about the same object are said once in this time. */
const REPEAT_MS = 10 * 60_000;
const MAX_REMEMBERED = 5_000;
const MAX_UNDER_WAY = 20;
const TIMEOUT_MS = 5_000;
const MAX_MESSAGE_LENGTH = 1_000;

/** Warning events on the owners of Pods: never waited for, said once, and dropped where they would pile up. */
export class Events {
  readonly #options: EventsOptions;
  readonly #said: BoundedCache<string, true>;
  #underWay = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#said = new BoundedCache({
      max: MAX_REMEMBERED,
      ttl: REPEAT_MS,
      ttlResolution: 0,
      perf: { now: options.now },
    });
  }

  get caches(): WatchedCaches {
    return { event: this.#said };
  }

  warn(event: OwnerEvent): void {
    const key = `${event.owner.uid} ${event.reason} ${event.message}`;
    if (this.#said.has(key) || this.#underWay >= MAX_UNDER_WAY) return;
    this.#said.set(key, true);
    void this.#send(event);
  }

  async #send({ namespace, owner, reason, message }: OwnerEvent): Promise<void> {
    const now = new Date();
    const body = {
      metadata: { name: `samebytes-${randomUUID()}`, namespace },
      involvedObject: { ...owner, namespace },
      reason,
      message: message.slice(0, MAX_MESSAGE_LENGTH),
      type: 'Warning',
      source: { component: 'samebytes' },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    this.#underWay += 1;
    try {
      await this.#options.api.createNamespacedEvent(
        { namespace, body },
        endingWith(AbortSignal.timeout(TIMEOUT_MS)),
      );
    } catch (error) {
      this.#options.onError(plainCause(error));
    } finally {
      this.#underWay -= 1;
    }
  }
}
