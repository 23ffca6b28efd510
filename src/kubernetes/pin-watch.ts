import { isObject, type JsonObject } from '../json/json-object.ts';
import type { PinMemory } from '../pins/pin-memory.ts';
import { IMAGE_PINS } from './image-pin-object.ts';
import type { MetadataApi } from './metadata-api.ts';

/** A pin that is gone, as the watch tells it. */
export interface EndedPin {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
}

export interface PinWatchOptions {
  readonly api: Pick<MetadataApi, 'list' | 'watch'>;
  readonly memory: Pick<PinMemory, 'open' | 'close' | 'forget'>;
  readonly onEnded: (pin: EndedPin) => void;
  /** Told when deletions can no longer be followed, and memory is off until they can. */
  readonly onGap: (error: unknown) => void;
  /** How long to wait before the next try after a failure, in milliseconds. */
  readonly retryMs: number;
}

const PATH = `/apis/${IMAGE_PINS.group}/${IMAGE_PINS.version}/${IMAGE_PINS.plural}`;
/** Bookmarks come about once a minute; two of them missing means that nobody is there. */
const SILENCE_MS = 130_000;
const START_TIMEOUT_MS = 10_000;

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
  #running: Promise<void> | undefined;

  constructor(options: PinWatchOptions) {
    this.#options = options;
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
        this.#options.onGap(error);
        await pause(this.#options.retryMs, signal);
      }
    }
  }

  /** Follows deletions from now on, over as many watches as the server likes. @throws at every gap. */
  async #follow(signal: AbortSignal): Promise<void> {
    const startSignal = AbortSignal.any([signal, AbortSignal.timeout(START_TIMEOUT_MS)]);
    let version = versionOf(await this.#options.api.list(`${PATH}?limit=1`, startSignal));
    // What was read before the list stands may have been deleted before it: the memory was closed until now.
    this.#options.memory.open();
    for (;;) {
      version = await this.#watch(version, signal);
      // Something in between may end every watch at once.
      await pause(this.#options.retryMs / 10, signal);
    }
  }

  async #watch(start: string, signal: AbortSignal): Promise<string> {
    let version = start;
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${encodeURIComponent(version)}`;
    for await (const { type, object } of this.#options.api.watch(`${PATH}?${query}`, SILENCE_MS, signal)) {
      // A watch that is too old (410) says so inside an answer with status 200.
      if (type === 'ERROR')
        throw new GapError(`the watch ended with ${JSON.stringify(object).slice(0, 200)}`);
      version = versionOf(object);
      if (type === 'DELETED') this.#ended(object);
    }
    return version;
  }

  #ended({ metadata }: JsonObject): void {
    const { namespace, name, uid } = isObject(metadata) ? metadata : {};
    if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') {
      throw new GapError('a deletion without a name');
    }
    this.#options.memory.forget(uid);
    this.#options.onEnded({ namespace, name, id: uid });
  }
}

function versionOf({ metadata }: JsonObject): string {
  const version = isObject(metadata) ? metadata['resourceVersion'] : undefined;
  if (typeof version !== 'string' || version === '') throw new GapError('an object without resourceVersion');
  return version;
}

async function pause(timeMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeMs);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
