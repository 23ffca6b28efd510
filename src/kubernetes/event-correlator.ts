import { createHash, randomBytes } from 'node:crypto';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { OwnerEvent } from '../admission/owner-event.ts';
import { fittingMessage } from './event-message.ts';

/** What is to be written: a new Event object, or a higher count of one that is there. */
export interface CorrelatedEvent extends OwnerEvent {
  /** The name of the Event object. */
  readonly name: string;
  /** How often it happened since `firstAt`, in all. */
  readonly count: number;
  readonly firstAt: Date;
  readonly isNew: boolean;
}

export interface EventCorrelatorOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** The wall clock. */
  readonly date: () => Date;
}

interface Similar {
  /** Hashes of them, each once: forty thousand messages would be half of the heap that the manifests give. */
  readonly messages: readonly string[];
  readonly lastMs: number;
}

interface Bucket {
  readonly tokens: number;
  readonly filledMs: number;
}

interface Observed extends Pick<CorrelatedEvent, 'name' | 'count'> {
  /** In milliseconds since 1970: a date takes six times as much. */
  readonly firstMs: number;
}

/** The numbers of client-go (tools/record/events_cache.go, v0.36). */
const MAX_REMEMBERED = 4096;
const MAX_SIMILAR = 10;
const SIMILAR_MS = 10 * 60_000;
const BURST = 25;
const REFILL_MS = 5 * 60_000;
/** The API server keeps an Event for an hour after it was last written (`--event-ttl`). */
const KEPT_MS = 60 * 60_000;
const MAX_NAME_PART = 230;

/**
 * Makes of many events few writes, by the rules of client-go's EventCorrelator, with which Kubernetes' own components keep
 * theirs apart: the same again raises a count; the tenth message of one reason about one object within ten minutes, and
 * those that follow, share one Event; and one object gets 25 writes at once and one more every five minutes. Of everything
 * 4,096 are remembered.
 */
export class EventCorrelator {
  readonly #options: EventCorrelatorOptions;
  readonly #similar = new BoundedCache<string, Similar>({ max: MAX_REMEMBERED });
  readonly #observed: BoundedCache<string, Observed>;
  readonly #buckets = new BoundedCache<string, Bucket>({ max: MAX_REMEMBERED });

  constructor(options: EventCorrelatorOptions) {
    this.#options = options;
    this.#observed = new BoundedCache({
      max: MAX_REMEMBERED,
      ttl: KEPT_MS,
      ttlResolution: 0,
      perf: { now: options.now },
    });
  }

  get caches(): WatchedCaches {
    return { event: this.#observed, event_similar: this.#similar, event_budget: this.#buckets };
  }

  /** The event happened `times` more. Returns what to write, or undefined where its object has had enough for now. */
  observe(event: OwnerEvent, times = 1): CorrelatedEvent | undefined {
    const about = aboutOf(event);
    const whole = { ...event, message: fittingMessage(event.message) };
    const isCombined = this.#isCombined(hashOf(`${about} ${event.reason}`), whole.message);
    const message = isCombined
      ? fittingMessage(`(combined from similar events): ${whole.message}`)
      : whole.message;
    const key = hashOf(`${about} ${event.reason}${isCombined ? '' : ` ${message}`}`);
    const before = this.#observed.get(key);
    const { name, count, firstMs } = before ?? {
      name: nameFor(event),
      count: 0,
      firstMs: this.#options.date().getTime(),
    };
    const after = { name, count: count + times, firstMs };
    this.#observed.set(key, after);
    if (!this.#mayWrite(hashOf(about))) return undefined;
    const firstAt = new Date(firstMs);
    return { ...whole, name, count: after.count, firstAt, message, isNew: before === undefined };
  }

  #isCombined(key: string, text: string): boolean {
    const message = hashOf(text);
    const nowMs = this.#options.now();
    const before = this.#similar.get(key);
    const isRecent = before !== undefined && nowMs - before.lastMs <= SIMILAR_MS;
    const others = isRecent ? before.messages.filter((other) => other !== message) : [];
    const isCombined = others.length >= MAX_SIMILAR - 1;
    // A spread would take room for seventeen.
    const messages = isCombined ? others : others.concat(message);
    this.#similar.set(key, { messages, lastMs: nowMs });
    return isCombined;
  }

  #mayWrite(key: string): boolean {
    const nowMs = this.#options.now();
    const { tokens, filledMs } = this.#buckets.get(key) ?? { tokens: BURST, filledMs: nowMs };
    const filled = Math.min(tokens + (nowMs - filledMs) / REFILL_MS, BURST);
    const isAllowed = filled >= 1;
    this.#buckets.set(key, { tokens: isAllowed ? filled - 1 : filled, filledMs: nowMs });
    return isAllowed;
  }
}

/** What is remembered is compared and never read: of long texts this is enough. */
function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

function aboutOf({ namespace, owner, type }: OwnerEvent): string {
  return JSON.stringify([namespace, owner.apiVersion, owner.kind, owner.name, owner.uid, type]);
}

/** Valid for every owner: its name is one already, and what is cut must not end with a dot or a dash. */
function nameFor({ owner: { name } }: OwnerEvent): string {
  const start = name.length <= MAX_NAME_PART ? name : `${name.slice(0, MAX_NAME_PART)}x`;
  return `${start}.${randomBytes(8).toString('hex')}`;
}
