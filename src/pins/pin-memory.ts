import { PackedCache, type EntryMark } from '../packed/packed-cache.ts';
import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { pinName, type ImagePin, type PinnedImage } from './image-pin.ts';
import { REVISION_TEXTS, revisionIn, textsOf } from './revision-texts.ts';
import { revisionKey, type Revision } from './revision.ts';

/** Taken before a pin is read, and given back with what was read. */
export type Mark = number;

/** One revision's pin as it stands: any change of it, or of whose it is, makes it another one. */
export interface PinVersion {
  /** Its {@link revisionKey}. */
  readonly revision: string;
  readonly entry: EntryMark;
}

export interface PinMemoryOptions {
  /** How many pins are kept; the least recently used goes first. */
  readonly maxPins: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** The object that a pin had. */
export interface DeletedPin {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
}

/** Long pins count for several: memory is bounded by what they hold, not by their number alone. Eight images take this. */
const USUAL_BYTES = 1_024;
/** The longest pin there can be, of 128 images: it is kept even where hardly any are. */
const MAX_BYTES = 128 * 1_024;
/** How long a deletion is remembered, so that what was read before it is not kept after it. */
const TOMBSTONE_MS = 60_000;
const MAX_TOMBSTONES = 10_000;

/**
 * Pins that this process has read, so that the next Pod of a revision costs no request. Bounded, however many pins the
 * cluster has. It may be trusted only while somebody follows deletions: closed, it forgets everything and keeps nothing.
 */
export class PinMemory {
  /** Each pin as its values, by where its object is: so both its revision and its deletion find it. */
  readonly #pins: PackedCache;
  readonly #tombstones: BoundedCache<string, true>;
  #epoch: Mark = 0;
  #open = false;

  constructor({ maxPins, now }: PinMemoryOptions) {
    this.#pins = new PackedCache({
      max: maxPins,
      maxBytes: Math.max(maxPins * USUAL_BYTES, MAX_BYTES),
      headTexts: HEAD_TEXTS,
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

  get(revision: Revision): ImagePin | undefined {
    const texts = this.#pins.get(placeOf(revision), isOf(revisionKey(revision)));
    return texts && readPin(texts);
  }

  /** What tells the pin of this revision from any later one; undefined where none is kept. Counts as use. */
  version(revision: Revision): PinVersion | undefined {
    const key = revisionKey(revision);
    const entry = this.#pins.mark(placeOf(revision), isOf(key));
    return entry && { revision: key, entry };
  }

  /** Whether this is the revision's pin still, as far as it is known. Counts as use. */
  holds(version: PinVersion, revision: Revision): boolean {
    return version.revision === revisionKey(revision) && this.#pins.holds(version.entry);
  }

  /** To be taken before a pin is read from where it is kept. */
  mark(): Mark {
    return this.#epoch;
  }

  /** Keeps a pin that was read after `mark` was taken, unless it may have been deleted since. */
  remember(pin: ImagePin, mark: Mark): void {
    if (!this.#open || mark !== this.#epoch || this.#tombstones.has(pin.id)) return;
    this.#pins.set(placeOf(pin.revision), writePin(pin));
  }

  /** The pin that had this object was deleted. Returns it where it was kept. */
  forget({ namespace, name, id }: DeletedPin): ImagePin | undefined {
    this.#tombstones.set(id, true);
    const texts = this.#pins.delete(place(namespace, name), (head) => idIn(head) === id);
    return texts && readPin(texts);
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
  }
}

/** So many texts of a pin tell whose it is: its id, and the first of its revision. */
const HEAD_TEXTS = 5;

/** A pin as it is kept: the values alone. */
function writePin({ id, revision, images }: ImagePin): readonly string[] {
  const values = images.flatMap((image) => [image.reference, image.digest, image.resolvedAt, image.source]);
  return [id, ...textsOf(revision), ...values];
}

function idIn([id = '']: readonly string[]): string {
  return id;
}

function place(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function placeOf(revision: Revision): string {
  return place(revision.namespace, pinName(revision));
}

/** By all that tells a revision, not its uid alone: see {@link revisionKey}. */
function isOf(key: string): (head: readonly string[]) => boolean {
  return (head) => keyIn(head) === key;
}

function keyIn([, namespace = '', kind = '', name = '', uid = '']: readonly string[]): string {
  return revisionKey({ namespace, kind, name, uid });
}

function readPin(texts: readonly string[]): ImagePin {
  const images: PinnedImage[] = [];
  for (let index = 1 + REVISION_TEXTS; index + 3 < texts.length; index += 4) {
    const [reference = '', digest = '', resolvedAt = '', source] = texts.slice(index, index + 4);
    images.push({ reference, digest, resolvedAt, source: source === 'adopted' ? 'adopted' : 'resolved' });
  }
  return { id: idIn(texts), revision: revisionIn(texts.slice(1)), images };
}
