import { DIGEST_ALGORITHMS, digestOf, isDigest, isManifestDigest } from '../image/digest.ts';
import { isObject, parseObject, type JsonObject } from '../json/json-object.ts';
import { RegistryError } from './errors.ts';
import type { TransportAnswer } from './transport.ts';

/** What a tag points at. */
export interface ManifestDescriptor {
  readonly digest: string;
  /** Undefined where the registry did not say (Artifactory answers HEAD with octet-stream). */
  readonly mediaType: string | undefined;
}

/** What a manifest is: an index over the manifests of several platforms, or one image. */
export type ManifestContent =
  { readonly is: 'index'; readonly manifests: readonly string[] } | { readonly is: 'image' };

/** A manifest's content with what people want to know of it. */
export type ManifestDetails = ManifestContent & {
  readonly mediaType: string;
  /** `linux/arm64/v8`: those that an index is for, each once, in its order; none for an image. */
  readonly platforms: readonly string[];
};

const MEDIA_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/**
 * What every manifest request accepts: these four, always all of them. distribution and Quay compare exact types;
 * to a shorter list they answer 404, or with a converted manifest of another digest. No schema1: its digests
 * depend on signatures, and containerd 2 refuses it.
 */
export const MANIFEST_ACCEPT = MEDIA_TYPES.join(', ');

/** The largest manifest that is read: distribution's own limit on pushes. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** More platforms of one index are not listed; the largest in the field have some twenty. */
const MAX_PLATFORMS = 100;
/** What Go calls systems and processors; nothing else gets in, since it is printed on terminals. */
const PLATFORM_PART = /^[a-z0-9][a-z0-9._-]{0,31}$/;

/** Whether manifests of this type are an index over the manifests of several platforms. */
export function isIndexType(mediaType: string): boolean {
  return mediaType.includes('index') || mediaType.includes('manifest.list');
}

/**
 * The descriptor that the headers of a successful HEAD give; undefined where they name no usable digest, so that
 * the manifest itself has to be read.
 * @throws {RegistryError} `schema1` or `invalid_answer` where the headers say that this is no image manifest.
 */
export function descriptorFromHeaders(
  answer: TransportAnswer,
  registry: string,
): ManifestDescriptor | undefined {
  const mediaType = mediaTypeOf(answer);
  refuseForeignType(mediaType, registry);
  const digest = single(answer.headers['docker-content-digest']);
  if (digest === undefined || !isManifestDigest(digest)) return undefined;
  // The specification asks for a length as well; who leaves it out may be no registry (containerd does the same).
  if (single(answer.headers['content-length']) === undefined) return undefined;
  return { digest, mediaType: MEDIA_TYPES.includes(mediaType) ? mediaType : undefined };
}

/**
 * The descriptor of the manifest in the body of a successful GET: the sha256 of its raw bytes, whatever a header
 * says; many registries get that header wrong (ggcr pkg/v1/remote/fetcher.go).
 * @throws {RegistryError} `schema1` or `invalid_answer` where the body is not an image manifest as it was stored.
 */
export function descriptorFromBody(answer: TransportAnswer, registry: string): ManifestDescriptor {
  const encoding = single(answer.headers['content-encoding']) ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new RegistryError('invalid_answer', 'the manifest came compressed, which was not asked for', {
      registry,
    });
  }
  const mediaType = mediaTypeOf(answer);
  refuseForeignType(mediaType, registry);
  return { digest: digestOf(answer.body), mediaType: manifestType(answer.body, mediaType, registry) };
}

/**
 * Whether a registry wrote this answer, and not what stands in front of it. A HEAD brings no body with a code, but its
 * headers tell: the specification words errors in JSON, and registries sent their version before it did (distribution's
 * docker-distribution-api-version); an ingress without its backend sends a page.
 */
export function isRegistrysVoice(answer: TransportAnswer): boolean {
  if (single(answer.headers['docker-distribution-api-version']) !== undefined) return true;
  return /^application\/(?:[a-z0-9.-]{1,100}\+)?json$/.test(mediaTypeOf(answer));
}

/** Whether the digest header of a GET names other bytes than came. A header that cannot be read names none. */
export function digestHeaderLies(answer: TransportAnswer): boolean {
  const claimed = single(answer.headers['docker-content-digest']);
  if (claimed === undefined || !isDigest(claimed)) return false;
  const algorithm = DIGEST_ALGORITHMS.find((name) => claimed.startsWith(`${name}:`));
  return algorithm !== undefined && digestOf(answer.body, algorithm) !== claimed;
}

/**
 * What the manifest with this digest is, from the body of a successful GET.
 * @throws {RegistryError} `invalid_answer` where the body is another manifest, or none.
 */
export function contentFromBody(answer: TransportAnswer, digest: string, registry: string): ManifestDetails {
  const { mediaType = '' } = descriptorFromBody(answer, registry);
  const algorithm = DIGEST_ALGORITHMS.find((name) => digest.startsWith(`${name}:`));
  if (digestOf(answer.body, algorithm) !== digest) {
    throw new RegistryError('invalid_answer', `the registry answered with another manifest than ${digest}`, {
      registry,
    });
  }
  if (!isIndexType(mediaType)) return { is: 'image', mediaType, platforms: [] };
  const { manifests } = parseObject(answer.body.toString('utf8')) ?? {};
  const entries = Array.isArray(manifests) ? manifests.filter(isObject) : [];
  const digests = entries.map((entry) => entry['digest']).filter((value) => typeof value === 'string');
  return { is: 'index', manifests: digests, mediaType, platforms: platformsOf(entries) };
}

/** Attestations stand in an index as manifests of the platform unknown/unknown (buildkit docs/attestations). */
function platformsOf(entries: readonly JsonObject[]): string[] {
  const platforms = entries.map(({ platform }) => {
    const { os, architecture, variant } = isObject(platform) ? platform : {};
    const parts = variant === undefined || variant === '' ? [os, architecture] : [os, architecture, variant];
    const isKnown = parts.every((part) => typeof part === 'string' && PLATFORM_PART.test(part));
    return isKnown && os !== 'unknown' && architecture !== 'unknown' ? parts.join('/') : undefined;
  });
  const named = platforms.filter((platform) => platform !== undefined);
  return [...new Set(named)].slice(0, MAX_PLATFORMS);
}

function manifestType(body: Buffer, header: string, registry: string): string {
  const fields = parseObject(body.toString('utf8')) ?? {};
  const isManifest = fields['schemaVersion'] === 2;
  const mediaType = MEDIA_TYPES.includes(header) ? header : fields['mediaType'];
  if (!isManifest || typeof mediaType !== 'string' || !MEDIA_TYPES.includes(mediaType)) {
    throw new RegistryError('invalid_answer', 'the answer is not an image manifest', { registry });
  }
  return mediaType;
}

function refuseForeignType(mediaType: string, registry: string): void {
  if (mediaType.startsWith('application/vnd.docker.distribution.manifest.v1+')) {
    throw new RegistryError('schema1', 'the tag points at a schema 1 manifest', { registry });
  }
  if (!mediaType.startsWith('text/')) return;
  throw new RegistryError('invalid_answer', `the registry answered with a page of type ${mediaType}`, {
    registry,
  });
}

function mediaTypeOf(answer: TransportAnswer): string {
  const [type = ''] = (single(answer.headers['content-type']) ?? '').split(';');
  return type.trim().toLowerCase();
}

function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header.trim() : undefined;
}
