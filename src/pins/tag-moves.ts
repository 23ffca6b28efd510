import { BoundedCache, type WatchedCaches } from '../telemetry/bounded-cache.ts';
import { MAX_REFERENCE_LENGTH, type PinEntry, type PinnedImage } from './image-pin.ts';
import type { Revision } from './revision.ts';

/** A tag that meant other bytes when a revision was pinned. */
export interface TagMove {
  /** Normalised, as pins have it. */
  readonly reference: string;
  /** What a revision is pinned to. */
  readonly from: string;
  /** What the tag meant when this process last heard of it. */
  readonly to: string;
}

/** Hears of moved tags, between admissions: so it must be quick, and must not throw. */
export interface TagMoveListener {
  /** A tag moved away from a digest that a revision is pinned to; told once. `revision` is the one that showed it, if any did. */
  readonly moved?: (move: TagMove, revision: Revision | undefined) => void;
  /** So many Pods of this revision got the digest that it is pinned to, though the tag has moved since; told each time. */
  readonly oldServed?: (move: TagMove, revision: Revision, pods: number) => void;
}

export interface TagMovesOptions {
  /** How many tags are known; the least recently used goes first. */
  readonly maxTags: number;
  /** The wall clock, which pins were dated by. */
  readonly now: () => Date;
}

/** What is known of one tag. */
interface Known {
  newest: string;
  /** When it meant that, in milliseconds since 1970; -Infinity before all dates, NaN where nobody knows. */
  newestAtMs: number;
  isPinned: boolean;
  /** Digests that it moved away from, and whether that was told; most tags never move. */
  left: Map<string, boolean> | undefined;
}

const MAX_LEFT = 8;
/** A birth dates its digest later than it asked, and clocks of other machines differ: within this, order is unknown. */
const UNCERTAIN_MS = 10_000;

/**
 * Learns that tags moved from what passes by: what registries answer, and what pins of any webhook process hold. Asks nobody,
 * so it knows what this process has seen since it started. Says nothing where it cannot tell which of two digests is the newer.
 */
export class TagMoves {
  readonly #now: () => Date;
  readonly #tags: BoundedCache<string, Known>;
  readonly #listeners: TagMoveListener[] = [];

  constructor({ maxTags, now }: TagMovesOptions) {
    this.#now = now;
    this.#tags = new BoundedCache({ max: maxTags });
  }

  get caches(): WatchedCaches {
    return { tag_move: this.#tags };
  }

  subscribe(listener: TagMoveListener): void {
    this.#listeners.push(listener);
  }

  /** A registry was asked just now, for this revision if for any. */
  resolved(revision: Revision | undefined, reference: string, digest: string): void {
    const atMs = this.#now().getTime();
    const known = this.#knownOf(reference, digest, atMs);
    if (known?.newest === digest) known.newestAtMs = atMs;
    else if (known !== undefined) this.#move(known, { reference, digest, atMs }, revision);
  }

  /** So many Pods of the revision got this digest just now, which its pin holds. */
  served({ revision, image }: PinEntry, pods = 1): void {
    const { reference, digest } = image;
    const atMs = this.#meantAtMs(image);
    const known = this.#knownOf(reference, digest, atMs);
    if (known === undefined) return;
    if (known.newest !== digest) {
      const laterMs = atMs - known.newestAtMs;
      if (laterMs > UNCERTAIN_MS) this.#move(known, { reference, digest, atMs }, revision);
      else if (laterMs < -UNCERTAIN_MS && !known.left?.has(digest)) keep(known, digest, false);
    }
    if (known.newest === digest) {
      if (!Number.isNaN(atMs) && !(known.newestAtMs >= atMs)) known.newestAtMs = atMs;
      known.isPinned = true;
    } else this.#serveOld(known, { reference, from: digest, to: known.newest }, revision, pods);
  }

  /** NaN where the pin has no date that can be believed. */
  #meantAtMs({ resolvedAt, source }: PinnedImage): number {
    // What Pods ran before they were pinned is older than any answer.
    if (source === 'adopted') return -Infinity;
    const atMs = Date.parse(resolvedAt);
    return atMs > this.#now().getTime() + UNCERTAIN_MS ? NaN : atMs;
  }

  #knownOf(reference: string, digest: string, atMs: number): Known | undefined {
    const known = this.#tags.get(reference);
    if (known !== undefined || reference.length > MAX_REFERENCE_LENGTH) return known;
    const first = { newest: digest, newestAtMs: atMs, isPinned: false, left: undefined };
    this.#tags.set(reference, first);
    return first;
  }

  #move(
    known: Known,
    { reference, digest, atMs }: { reference: string; digest: string; atMs: number },
    revision: Revision | undefined,
  ): void {
    const { newest: from, isPinned } = known;
    keep(known, from, isPinned);
    known.left?.delete(digest);
    Object.assign(known, { newest: digest, newestAtMs: atMs, isPinned: false });
    if (isPinned) this.#tellMoved({ reference, from, to: digest }, revision);
  }

  #serveOld(known: Known, move: TagMove, revision: Revision, pods: number): void {
    const isTold = known.left?.get(move.from);
    if (isTold === undefined) return;
    if (!isTold) {
      keep(known, move.from, true);
      this.#tellMoved(move, revision);
    }
    for (const { oldServed } of this.#listeners) oldServed?.(move, revision, pods);
  }

  #tellMoved(move: TagMove, revision: Revision | undefined): void {
    for (const { moved } of this.#listeners) moved?.(move, revision);
  }
}

/** Keeps the last few. */
function keep(known: Known, digest: string, isTold: boolean): void {
  const left = (known.left ??= new Map());
  left.delete(digest);
  left.set(digest, isTold);
  for (const oldest of left.keys()) {
    if (left.size <= MAX_LEFT) break;
    left.delete(oldest);
  }
}
