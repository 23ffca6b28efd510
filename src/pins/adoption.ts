import { isManifestDigest } from '../image/digest.ts';
import { normalizedName, parseReference, repositoryName, type ImageReference } from '../image/reference.ts';
import type { ManifestContent } from '../registry/manifest.ts';
import type { SiblingImage } from './siblings.ts';

/** What the Pods of a revision tell about one reference. */
export interface Evidence {
  /** Digests that we gave to Pods of the revision, by their own annotation. */
  readonly recorded: ReadonlySet<string>;
  /** Digests that run in Pods which were admitted by their tag. */
  readonly running: ReadonlySet<string>;
}

export interface AdoptionLookups {
  /** The manifest with this digest in the reference's repository; undefined where there is none. */
  manifest(digest: string): Promise<ManifestContent | undefined>;
  shareOnePlatform(): Promise<boolean>;
}

/** What to do about a reference: take this digest over, or resolve the tag (`adopt` is undefined). */
export interface Adoption {
  readonly adopt: string | undefined;
  /** The digests of Pods that disagree; none where they agree. */
  readonly split: readonly string[];
}

const RESOLVE: Adoption = { adopt: undefined, split: [] };
const NONE: Evidence = { recorded: new Set(), running: new Set() };
const STATES = ['running', 'waiting', 'leaving'] as const satisfies readonly SiblingImage['state'][];

/**
 * Reads from the Pods of a revision what a reference means there. Runtimes write imageIDs loosely; only `repo@digest`
 * of the same repository counts: not the bare config digest that containerd may write (kubernetes#95385), not another
 * repository's name (kubernetes#115199), not CRI-O's image ids (cri-o#7149), not cri-dockerd's `docker://sha256:…`.
 * Pods that run come first; those that wait to start, and then those on their way out, count where no other tells.
 */
export function evidenceOf(reference: ImageReference, siblings: readonly SiblingImage[]): Evidence {
  const evidence = STATES.map((wanted) =>
    evidenceAmong(
      reference,
      siblings.filter(({ state }) => state === wanted),
    ),
  );
  return evidence.find(({ recorded, running }) => recorded.size + running.size > 0) ?? NONE;
}

function evidenceAmong(reference: ImageReference, siblings: readonly SiblingImage[]): Evidence {
  const name = normalizedName(reference);
  const recorded = new Set<string>();
  const running = new Set<string>();
  for (const sibling of siblings) {
    const image = tryParse(sibling.image);
    if (image === undefined || repositoryName(image) !== repositoryName(reference)) continue;
    const record = sibling.recorded;
    const original = tryParse(record?.reference);
    if (image.digest !== undefined) {
      const isOurs = original !== undefined && normalizedName(original) === name;
      if (isOurs && image.digest === record?.digest) recorded.add(image.digest);
    } else if (normalizedName(image) === name) {
      const digest = digestOfImageId(sibling.imageId, reference);
      if (digest !== undefined) running.add(digest);
    }
  }
  return { recorded, running };
}

/**
 * Chooses the digest with which a revision goes on whose pin is missing. `tagDigest` is what the tag means today,
 * undefined where nobody can tell.
 */
export async function adoptionFrom(
  { recorded, running }: Evidence,
  tagDigest: string | undefined,
  lookups: AdoptionLookups,
): Promise<Adoption> {
  const all = [...new Set([...recorded, ...running])];
  const split = all.length > 1 ? all : [];
  // What we gave Pods of this revision is what it means, though others run beside them that were never ours.
  const ours = single(recorded);
  if (ours !== undefined) return { adopt: ours, split };
  const digest = single(running);
  if (recorded.size > 1 || digest === undefined) return { adopt: undefined, split };
  if (digest === tagDigest) return RESOLVE;
  return adoptRunning(digest, tagDigest, lookups);
}

/** All Pods run this digest, and the tag means another one today. */
async function adoptRunning(
  digest: string,
  tagDigest: string | undefined,
  lookups: AdoptionLookups,
): Promise<Adoption> {
  const content = await lookups.manifest(digest);
  if (content === undefined) return RESOLVE;
  if (content.is === 'index') return { adopt: digest, split: [] };
  const today = tagDigest === undefined ? undefined : await lookups.manifest(tagDigest);
  if (today?.is === 'image') return { adopt: digest, split: [] };
  if (today?.is === 'index' && today.manifests.includes(digest)) return RESOLVE;
  // One platform's manifest, of an index that the tag meant once: right for nodes of that platform alone.
  return (await lookups.shareOnePlatform()) ? { adopt: digest, split: [] } : RESOLVE;
}

function digestOfImageId(imageId: string | undefined, reference: ImageReference): string | undefined {
  const image = tryParse(imageId?.replace(/^docker-pullable:\/\//, ''));
  if (image?.digest === undefined || !isManifestDigest(image.digest)) return undefined;
  return repositoryName(image) === repositoryName(reference) ? image.digest : undefined;
}

function single(digests: ReadonlySet<string>): string | undefined {
  return digests.size === 1 ? [...digests][0] : undefined;
}

function tryParse(text: string | undefined): ImageReference | undefined {
  try {
    return text === undefined ? undefined : parseReference(text);
  } catch {
    return undefined;
  }
}
