import { createHash } from 'node:crypto';

const HEX_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const LOWER_HEX = /^[0-9a-f]+$/;

/**
 * Whether `text` is a digest that names bytes: a registered algorithm, a colon, and exactly as many lower-case
 * hex digits as that algorithm has. This is opencontainers/go-digest's `Validate`, with the algorithms that the
 * kubelet registers (kubernetes pkg/util/parsers/parsers.go).
 */
export function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  const hex = text.slice(colon + 1);
  return colon > 0 && HEX_LENGTHS[text.slice(0, colon)] === hex.length && LOWER_HEX.test(hex);
}

/**
 * Whether a registry may answer with this digest. Narrower than {@link isDigest}: the image specification
 * registers sha256 and sha512 for manifests, and an ImagePin takes no other.
 */
export function isManifestDigest(text: string): boolean {
  return isDigest(text) && !text.startsWith('sha384:');
}

/** The digest of `bytes`, e.g. `sha256:e3b0…`. */
export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha384' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}
