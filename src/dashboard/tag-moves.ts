import { LRUCache } from 'lru-cache';
import type { DigestSource } from '../admission/outcome.ts';
import { InvalidReferenceError, normalizedName, parseReference } from '../image/reference.ts';

interface Known {
  /** What the tag meant when this process last heard of it. */
  readonly newest: string;
  /** What it meant before. */
  readonly older: readonly string[];
}

/** How many earlier digests of a tag are told from digests that were never seen. */
const MAX_OLDER = 16;

/**
 * Notices that a tag moved, from the digests that Pods get. Knows what this process has seen and no more, and says
 * nothing where it cannot tell which of two digests is the newer one: an unknown digest from a pin may be a later birth
 * in another process.
 */
export class TagMoves {
  readonly #known: LRUCache<string, Known>;

  constructor({ maxTags }: { maxTags: number }) {
    this.#known = new LRUCache({ max: maxTags });
  }

  /** A Pod got `digest` for `reference`. Returns what the tag moved from and to, where this shows that it did. */
  see(reference: string, digest: string, source: DigestSource): { from: string; to: string } | undefined {
    const name = nameOf(reference);
    if (name === undefined) return undefined;
    const known = this.#known.get(name);
    if (known === undefined) {
      this.#known.set(name, { newest: digest, older: [] });
      return undefined;
    }
    if (known.newest === digest) return undefined;
    const wasOlder = known.older.includes(digest);
    // A registry's word is the newest there is. The cache holds the last one, but may be overtaken on its way here.
    if (source === 'registry' || (source === 'cache' && !wasOlder)) {
      const older = [known.newest, ...known.older].filter((one) => one !== digest).slice(0, MAX_OLDER);
      this.#known.set(name, { newest: digest, older });
      return { from: known.newest, to: digest };
    }
    return source === 'pin' && wasOlder ? { from: digest, to: known.newest } : undefined;
  }
}

function nameOf(reference: string): string | undefined {
  try {
    return normalizedName(parseReference(reference));
  } catch (error) {
    if (error instanceof InvalidReferenceError) return undefined;
    throw error;
  }
}
