import { setTimeout as pause } from 'node:timers/promises';
import { isObject, type JsonObject } from '../json/json-object.ts';
import type { ImagePin } from '../pins/image-pin.ts';
import type { PinMemory } from '../pins/pin-memory.ts';
import type { OwnerReference } from '../pins/revision.ts';
import { IMAGE_PINS } from './image-pin-object.ts';
import type { MetadataApi, WatchEvent } from './metadata-api.ts';

/** A pin that is gone, as the watch tells it. */
export interface EndedPin {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
  /** Whose it was. */
  readonly revision: OwnerReference | undefined;
  /** RFC 3339. */
  readonly bornAt: string | undefined;
  /** What was in it, where the memory knew. */
  readonly pin: ImagePin | undefined;
}

export interface PinWatchOptions {
  readonly api: Pick<MetadataApi, 'list' | 'watch'>;
  readonly memory: Pick<PinMemory, 'open' | 'close' | 'forget'>;
  readonly onEnded: (pin: EndedPin) => void;
  /** Told when deletions can no longer be followed, and memory is off until they can; once for each problem. */
  readonly onGap: (error: unknown) => void;
  /** Told when they can be followed again. */
  readonly onGapEnd: () => void;
  /** How long to wait before the next try after a failure, in milliseconds. */
  readonly retryMs: number;
  /** How long a list or the beginning of a watch may take, in milliseconds. */
  readonly openTimeoutMs?: number;
}

const PATH = `/apis/${IMAGE_PINS.group}/${IMAGE_PINS.version}/${IMAGE_PINS.plural}`;
/** Bookmarks come about once a minute; two of them missing means that nobody is there. */
const SILENCE_MS = 130_000;
const OPEN_TIMEOUT_MS = 10_000;
/** More different problems than this are not told of one gap. */
const MAX_PROBLEMS = 20;

/** Thrown where events may have been missed. */
class GapError extends Error {
  override readonly name = 'GapError';
  readonly code = 'watch_gap';
}

/**
 * Tells the memory which pins were deleted, by a watch of metadata alone from where a list of one item stands: nothing
 * of it is kept, however many pins there are. While deletions cannot be followed the memory is closed.
 */
export class PinWatch {
  readonly #options: PinWatchOptions;
  readonly #stopped = new AbortController();
  readonly #openTimeoutMs: number;
  /** What was told of the gap that lasts. */
  readonly #problems = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(options: PinWatchOptions) {
    this.#options = options;
    this.#openTimeoutMs = options.openTimeoutMs ?? OPEN_TIMEOUT_MS;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the watch is stopped'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        this.#options.memory.close();
        if (signal.aborted) return;
        this.#tellGap(error);
        await pause(this.#options.retryMs, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Follows deletions from now on, over as many watches as the server likes. @throws at every gap. */
  async #follow(signal: AbortSignal): Promise<void> {
    const listSignal = AbortSignal.any([signal, AbortSignal.timeout(this.#openTimeoutMs)]);
    let version = versionOf(await this.#options.api.list(`${PATH}?limit=1`, listSignal));
    let events = await this.#watch(version, signal);
    // What was read before the list stands may have been deleted before it: the memory was closed until now. And as long
    // as no watch stands, nobody would tell of a deletion.
    this.#options.memory.open();
    if (this.#problems.size > 0) this.#options.onGapEnd();
    this.#problems.clear();
    for (;;) {
      version = await this.#tell(events, version);
      // Something in between may end every watch at once.
      await pause(this.#options.retryMs / 10, undefined, { signal });
      events = await this.#watch(version, signal);
    }
  }

  async #watch(version: string, signal: AbortSignal): Promise<AsyncIterable<WatchEvent>> {
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${encodeURIComponent(version)}`;
    const timeouts = { openTimeoutMs: this.#openTimeoutMs, silenceMs: SILENCE_MS };
    return this.#options.api.watch(`${PATH}?${query}`, timeouts, signal);
  }

  /** Tells the memory what a watch says. Resolves with the version where the server ended it. */
  async #tell(events: AsyncIterable<WatchEvent>, start: string): Promise<string> {
    let version = start;
    for await (const { type, object } of events) {
      // A watch that is too old (410) says so inside an answer with status 200.
      if (type === 'ERROR')
        throw new GapError(`the watch ended with ${JSON.stringify(object).slice(0, 200)}`);
      version = versionOf(object);
      if (type === 'DELETED') this.#ended(object);
    }
    return version;
  }

  /** An API server that is away is tried again each second, for hours perhaps. */
  #tellGap(error: unknown): void {
    const problem = String(error);
    if (this.#problems.has(problem) || this.#problems.size >= MAX_PROBLEMS) return;
    this.#problems.add(problem);
    this.#options.onGap(error);
  }

  #ended({ metadata }: JsonObject): void {
    const { namespace, name, uid, ownerReferences, creationTimestamp } = isObject(metadata) ? metadata : {};
    if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') {
      throw new GapError('a deletion without a name');
    }
    const pin = this.#options.memory.forget({ namespace, name, id: uid });
    const bornAt = typeof creationTimestamp === 'string' ? creationTimestamp : undefined;
    const revision = pin?.revision ?? firstOwner(ownerReferences);
    this.#options.onEnded({ namespace, name, id: uid, revision, bornAt, pin });
  }
}

function versionOf({ metadata }: JsonObject): string {
  const version = isObject(metadata) ? metadata['resourceVersion'] : undefined;
  if (typeof version !== 'string' || version === '') throw new GapError('an object without resourceVersion');
  return version;
}

/** A pin belongs to its revision and to nothing else. */
function firstOwner(references: unknown): OwnerReference | undefined {
  const [owner] = Array.isArray(references) ? (references as unknown[]) : [];
  if (!isObject(owner)) return undefined;
  const { apiVersion, kind, name, uid } = owner;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return undefined;
  return typeof name === 'string' && typeof uid === 'string' ? { apiVersion, kind, name, uid } : undefined;
}
