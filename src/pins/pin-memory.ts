import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { ImagePin, PinnedImage } from './image-pin.ts';
import type { Revision } from './revision.ts';

/** Taken before a pin is read, and given back with what was read. */
export type Mark = number;

/** One pin as it stands: any change makes it another text. */
export type PinVersion = string;

export interface PinMemoryOptions {
  /** How many pins are kept; the least recently used goes first. */
  readonly maxPins: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Long pins count for several: memory is bounded by what they hold, not by their number alone. Eight images take this. */
const USUAL_CHARACTERS = 2_048;
/** The longest pin there can be, of 128 images: it is kept even where hardly any are. */
const MAX_CHARACTERS = 128 * 1_024;
/** How long a deletion is remembered, so that what was read before it is not kept after it. */
const TOMBSTONE_MS = 60_000;
const MAX_TOMBSTONES = 10_000;

/**
 * Pins that this process has read, so that the next Pod of a revision costs no request. Bounded, however many pins the
 * cluster has. It may be trusted only while somebody follows deletions: closed, it forgets everything and keeps nothing.
 */
export class PinMemory {
  /** Each pin as one text: objects would take twice as much, and admission reads few at a time. */
  readonly #pins: BoundedCache<string, string>;
  /** Keys by the id of the pin that they hold. */
  readonly #keys = new Map<string, string>();
  readonly #tombstones: BoundedCache<string, true>;
  #epoch: Mark = 0;
  #open = false;

  constructor({ maxPins, now }: PinMemoryOptions) {
    this.#pins = new BoundedCache({
      max: maxPins,
      maxSize: Math.max(maxPins * USUAL_CHARACTERS, MAX_CHARACTERS),
      sizeCalculation: (text) => text.length,
      dispose: (text, key) => {
        const id = idIn(text);
        if (this.#keys.get(id) === key) this.#keys.delete(id);
      },
    });
    this.#tombstones = new BoundedCache({
      max: MAX_TOMBSTONES,
      ttl: TOMBSTONE_MS,
      ttlResolution: 0,
      perf: { now },
    });
  }

  /** How many pins are kept. */
  get size(): number {
    return this.#pins.size;
  }

  get caches(): WatchedCaches {
    return { pin: this.#pins, pin_tombstone: this.#tombstones };
  }

  /** Whether deletions are followed, so that pins may be remembered. */
  get isOpen(): boolean {
    return this.#open;
  }

  get(key: string): ImagePin | undefined {
    const text = this.#pins.get(key);
    return text === undefined ? undefined : readPin(text);
  }

  /** What tells the pin under this key from any other, earlier or later one; undefined where none is kept. Counts as use. */
  version(key: string): PinVersion | undefined {
    return this.#pins.get(key);
  }

  /** To be taken before a pin is read from where it is kept. */
  mark(): Mark {
    return this.#epoch;
  }

  /** Keeps a pin that was read after `mark` was taken, unless it may have been deleted since. */
  remember(key: string, pin: ImagePin, mark: Mark): void {
    if (!this.#open || mark !== this.#epoch || this.#tombstones.has(pin.id)) return;
    this.#pins.set(key, writePin(pin));
    if (this.#pins.has(key)) this.#keys.set(pin.id, key);
  }

  /** The pin with this id was deleted. Returns it where it was kept. */
  forget(id: string): ImagePin | undefined {
    this.#tombstones.set(id, true);
    const key = this.#keys.get(id);
    if (key === undefined) return undefined;
    const text = this.#pins.peek(key);
    this.#pins.delete(key);
    return text === undefined ? undefined : readPin(text);
  }

  /** From now on every deletion is told by {@link forget}. What was read before may have been deleted before. */
  open(): void {
    this.#open = true;
    this.#epoch += 1;
  }

  /** Deletions may be missed from now on, or were: nothing is known any more. */
  close(): void {
    this.#open = false;
    this.#epoch += 1;
    this.#pins.clear();
    this.#keys.clear();
  }
}

/** A pin as it is kept: the values alone, since names of fields would be half of it. */
type Written = readonly [
  apiVersion: string,
  kind: string,
  name: string,
  uid: string,
  namespace: string,
  hash: string,
  workloadKind: string,
  workloadName: string,
  ...images: string[],
];

/** The id, and behind it the values as JSON. Ids have no line breaks. What is not there is an empty text. */
function writePin({ id, revision, images }: ImagePin): string {
  const { apiVersion, kind, name, uid, namespace, hash = '', workload } = revision;
  const above = [workload?.kind ?? '', workload?.name ?? ''] as const;
  const values = images.flatMap((image) => [image.reference, image.digest, image.resolvedAt, image.source]);
  const written: Written = [apiVersion, kind, name, uid, namespace, hash, ...above, ...values];
  return `${id}\n${JSON.stringify(written)}`;
}

function idIn(text: string): string {
  return text.slice(0, text.indexOf('\n'));
}

function readPin(text: string): ImagePin {
  const id = idIn(text);
  const written: Written = JSON.parse(text.slice(id.length + 1));
  const [apiVersion, kind, name, uid, namespace, hash, workloadKind, workloadName, ...values] = written;
  const images: PinnedImage[] = [];
  for (let index = 0; index + 3 < values.length; index += 4) {
    const [reference = '', digest = '', resolvedAt = '', source] = values.slice(index, index + 4);
    images.push({ reference, digest, resolvedAt, source: source === 'adopted' ? 'adopted' : 'resolved' });
  }
  const revision: Revision = {
    apiVersion,
    kind,
    name,
    uid,
    namespace,
    ...(hash === '' ? {} : { hash }),
    ...(workloadName === '' ? {} : { workload: { kind: workloadKind, name: workloadName } }),
  };
  return { id, revision, images };
}
