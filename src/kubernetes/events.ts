import { setTimeout as pause } from 'node:timers/promises';
import { PatchStrategy, ApiException, type CoreV1Api } from '@kubernetes/client-node';
import type { OwnerEvent } from '../admission/owner-event.ts';
import type { OwnerReference } from '../pins/revision.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { EventResult } from '../telemetry/event-result.ts';
import { EventCorrelator, type CorrelatedEvent } from './event-correlator.ts';
import { limitOf, type WatchedLimits } from '../telemetry/limits.ts';
import { fittingMessage } from './event-message.ts';
import { endingWith, plainCause, sendingAs } from './request-options.ts';
import type { Workloads } from './workloads.ts';

export interface EventsOptions {
  readonly api: Pick<CoreV1Api, 'createNamespacedEvent' | 'patchNamespacedEvent'>;
  readonly workloads: Pick<Workloads, 'above'>;
  readonly onResult: (result: EventResult) => void;
  /** Told of each problem once in ten minutes. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** The wall clock. */
  readonly date: () => Date;
  /** How long to rest after each event, in milliseconds. */
  readonly restMs?: number;
}

interface Waiting {
  readonly event: OwnerEvent;
  readonly times: number;
}

/** A namespace may have as many as there is room left for: alone a thousand, as client-go (tools/record/event.go). */
const MAX_WAITING = 2_000;
/** At most 50 a second, as a kubelet (`--event-qps`): a storm of births needs this process for its admissions. */
const REST_MS = 20;
const TIMEOUT_MS = 5_000;
/** How long the last events may take when the process ends. */
const CLOSE_MS = 2_000;
const TELL_AGAIN_MS = 10 * 60_000;
const MAX_TOLD = 20;
const COMPONENT = 'samebytes';

/**
 * Events about the owners of Pods, and about the Deployment above a ReplicaSet, which is what people describe. Nobody waits
 * for them: they are written one after another, without a second try; where too many wait, further ones are dropped, those of
 * the namespace with the most before others.
 */
export class Events {
  readonly #options: EventsOptions;
  readonly #correlator: EventCorrelator;
  /** In the order of their first occurrence; what happens again while it waits is written once. */
  readonly #waiting = new Map<string, Waiting>();
  /** How many of them are about which namespace. */
  readonly #waitingIn = new Map<string, number>();
  readonly #told: BoundedCache<string, true>;
  readonly #closing = new AbortController();
  #isHurried = false;
  #running: Promise<void> | undefined;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#correlator = new EventCorrelator(options);
    this.#told = new BoundedCache({
      max: MAX_TOLD,
      ttl: TELL_AGAIN_MS,
      ttlResolution: 0,
      perf: { now: options.now },
    });
  }

  get limits(): WatchedLimits {
    return { events_waiting: limitOf(() => this.#waiting.size, MAX_WAITING) };
  }

  get caches(): WatchedCaches {
    return { ...this.#correlator.caches, event_problem: this.#told };
  }

  tell(event: OwnerEvent): void {
    const { namespace, owner, reason } = event;
    // A Pod's author may have made it megabytes long, and a thousand may wait.
    const message = fittingMessage(event.message);
    const key = JSON.stringify([namespace, owner.kind, owner.name, owner.uid, reason, message]);
    const before = this.#waiting.get(key);
    if ((before === undefined && !this.#mayWait(namespace)) || this.#closing.signal.aborted) {
      return this.#options.onResult('dropped');
    }
    if (before === undefined) this.#waitingIn.set(namespace, this.#countIn(namespace) + 1);
    this.#waiting.set(key, { event: { ...event, message }, times: (before?.times ?? 0) + 1 });
    this.#running ??= this.#run();
  }

  /** Writes what waits, for a short while, and nothing more. */
  async close(): Promise<void> {
    this.#isHurried = true;
    const timer = setTimeout(() => this.#closing.abort(new Error('the process ends')), CLOSE_MS);
    await this.#running;
    clearTimeout(timer);
    this.#closing.abort(new Error('the process ends'));
  }

  /** So that no storm in one namespace silences the others. */
  #mayWait(namespace: string): boolean {
    return this.#countIn(namespace) < MAX_WAITING - this.#waiting.size;
  }

  #countIn(namespace: string): number {
    return this.#waitingIn.get(namespace) ?? 0;
  }

  #take(key: string, namespace: string): void {
    this.#waiting.delete(key);
    const left = this.#countIn(namespace) - 1;
    if (left > 0) this.#waitingIn.set(namespace, left);
    else this.#waitingIn.delete(namespace);
  }

  async #run(): Promise<void> {
    // Whoever told of the first one is in the middle of an admission.
    await new Promise((resolve) => setImmediate(resolve));
    for (const [key, { event, times }] of this.#waiting) {
      this.#take(key, event.namespace);
      const workload = await this.#workloadAbove(event);
      // Nobody describes a ControllerRevision.
      const isHidden = workload !== undefined && event.owner.kind === 'ControllerRevision';
      if (!isHidden) await this.#write(event, times);
      if (workload !== undefined) await this.#write({ ...event, owner: workload }, times);
      const restMs = this.#isHurried ? 0 : (this.#options.restMs ?? REST_MS);
      if (restMs > 0) await pause(restMs);
    }
    this.#running = undefined;
  }

  async #workloadAbove({ namespace, owner }: OwnerEvent): Promise<OwnerReference | undefined> {
    try {
      return await this.#options.workloads.above(namespace, owner, this.#signal());
    } catch (error) {
      this.#tellOnce(error);
      return undefined;
    }
  }

  async #write(event: OwnerEvent, times: number): Promise<void> {
    const correlated = this.#correlator.observe(event, times);
    if (correlated === undefined) return this.#options.onResult('limited');
    try {
      const isThere = !correlated.isNew && (await this.#raise(correlated));
      if (!isThere) await this.#create(correlated);
      this.#options.onResult('written');
    } catch (error) {
      this.#options.onResult('failed');
      this.#tellOnce(plainCause(error));
    }
  }

  /** Raises the count of an event; false where it is not there, since it never got there or its time was up. */
  async #raise({ namespace, name, message, count }: CorrelatedEvent): Promise<boolean> {
    const body = { message, count, lastTimestamp: this.#options.date() };
    const options = sendingAs(PatchStrategy.StrategicMergePatch, this.#signal());
    try {
      await this.#options.api.patchNamespacedEvent({ namespace, name, body }, options);
      return true;
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return false;
      throw error;
    }
  }

  async #create(event: CorrelatedEvent): Promise<void> {
    const { namespace, owner, type, reason, message, name, count, firstAt } = event;
    const body = {
      metadata: { name, namespace },
      involvedObject: { ...owner, namespace },
      type,
      reason,
      message,
      count,
      firstTimestamp: firstAt,
      lastTimestamp: this.#options.date(),
      source: { component: COMPONENT },
      reportingComponent: COMPONENT,
      reportingInstance: '',
    };
    await this.#options.api.createNamespacedEvent({ namespace, body }, endingWith(this.#signal()));
  }

  #signal(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#closing.signal]);
  }

  #tellOnce(error: unknown): void {
    const problem = String(error);
    if (this.#told.has(problem) || this.#closing.signal.aborted) return;
    this.#told.set(problem, true);
    this.#options.onError(error);
  }
}
