import { isDigest } from './digest.ts';

/**
 * An image reference, read as the kubelet and containerd read it: distribution/reference v0.6,
 * `ParseNormalizedNamed` and, where neither tag nor digest is given, `TagNameOnly`.
 */
export interface ImageReference {
  /** The text as it was written. */
  readonly written: string;
  /** `written` without its tag and digest: what a digest is appended to, so that users find their own spelling. */
  readonly writtenRepository: string;
  /** The registry's domain, with port, in the spelling of the user (`docker.io` where none was given). */
  readonly domain: string;
  /** The repository's path in that registry, with Docker Hub's `library/` filled in. */
  readonly path: string;
  /** The tag; `latest` where the text has neither tag nor digest; undefined where it has only a digest. */
  readonly tag: string | undefined;
  /** The digest, where the text has one: then there is nothing to resolve. */
  readonly digest: string | undefined;
}

/** Thrown by {@link parseReference}, and nothing else is. The message says what is wrong, in the user's terms. */
export class InvalidReferenceError extends Error {
  override readonly name = 'InvalidReferenceError';
  readonly code = 'invalid_reference';
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const MAX_PATH_LENGTH = 255;
/** Longer text is no image reference: domain, path, tag and digest at their longest stay below it. */
const MAX_LENGTH = 4096;

// Each pattern is anchored and reads one part that was cut out beforehand, without nested repetition that could
// match the same text in two ways: time is linear in the length of the text.
const BARE_IDENTIFIER = /^[a-f0-9]{64}$/;
const DOMAIN_LABEL = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const IPV6_HOST = /^\[[a-fA-F0-9:]+\]$/;
const PORT = /^[0-9]+$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$/;

/**
 * Reads an image reference. Pure; linear in the length of `written`.
 * @throws {InvalidReferenceError} where Kubernetes and containerd would not read it either.
 */
export function parseReference(written: string): ImageReference {
  if (written === '') throw new InvalidReferenceError('it is empty');
  if (written.length > MAX_LENGTH)
    throw new InvalidReferenceError(`it is longer than ${MAX_LENGTH} characters`);
  if (BARE_IDENTIFIER.test(written)) {
    throw new InvalidReferenceError('64 hexadecimal digits alone are an image ID, not a name');
  }

  const at = written.indexOf('@');
  const digest = at === -1 ? undefined : written.slice(at + 1);
  // Before anything else is said of it: what stands before an @ without a digest may be a user and a password.
  if (digest !== undefined && !isDigest(digest)) {
    const what = digest.includes('@') ? 'what follows the first @' : `the digest ${quote(digest)}`;
    throw new InvalidReferenceError(`${what} is not valid`);
  }
  const named = at === -1 ? written : written.slice(0, at);
  // A colon before the last slash belongs to the domain's port.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  const writtenRepository = colon === -1 ? named : named.slice(0, colon);

  const { domain, path } = splitDomain(writtenRepository);
  checkPath(path);
  checkDomain(domain);
  const limited = isUnderscoreHost(domain) ? writtenRepository : path;
  if (limited.length > MAX_PATH_LENGTH) {
    throw new InvalidReferenceError(`the repository is longer than ${MAX_PATH_LENGTH} characters`);
  }
  if (tag !== undefined && !TAG.test(tag))
    throw new InvalidReferenceError(`the tag ${quote(tag)} is not valid`);
  return {
    written,
    writtenRepository,
    domain,
    path,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest,
  };
}

/** The host, with port, as the wire, caches and address checks use it: in lower case. */
export function hostOf(reference: ImageReference): string {
  return reference.domain.toLowerCase();
}

/**
 * `docker.io/library/nginx`: one text for one repository, however it was written. It reads back as itself: a host that
 * only its capitals tell from a part of a path (`Registry/app`) is written in capitals, all others in lower case.
 */
export function repositoryName(reference: ImageReference): string {
  const host = hostOf(reference);
  return `${looksLikeDomain(host) ? host : host.toUpperCase()}/${reference.path}`;
}

/** `docker.io/library/nginx:1`: one text for one meaning, so that two spellings cannot get two digests. */
export function normalizedName(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  // As one flat text, since it is kept: a template's is a tree of its parts.
  return [repositoryName(reference), tag, digest].join('');
}

/**
 * The pinned text: the repository exactly as the user wrote it, and the digest (`nginx:1` → `nginx@sha256:…`).
 * With `keepTag` the tag that was written stays in front (`nginx:1@sha256:…`); containerd ignores it then.
 */
export function withDigest(
  reference: ImageReference,
  digest: string,
  { keepTag }: { keepTag: boolean },
): string {
  const end = reference.written.indexOf('@');
  const named = end === -1 ? reference.written : reference.written.slice(0, end);
  return `${keepTag ? named : reference.writtenRepository}@${digest}`;
}

function splitDomain(repository: string): { domain: string; path: string } {
  const slash = repository.indexOf('/');
  if (slash === -1) return { domain: DEFAULT_DOMAIN, path: `library/${repository}` };
  const first = repository.slice(0, slash);
  const rest = repository.slice(slash + 1);
  const isDomain = looksLikeDomain(first);
  if (isDomain && first !== LEGACY_DEFAULT_DOMAIN && first !== DEFAULT_DOMAIN) {
    return { domain: first, path: rest };
  }
  const path = isDomain ? rest : repository;
  return { domain: DEFAULT_DOMAIN, path: path.includes('/') ? path : `library/${path}` };
}

/** Whether the part before the first slash is a domain: the library's rule, in its order. */
function looksLikeDomain(first: string): boolean {
  return first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
}

function checkDomain(domain: string): void {
  const bracket = domain.lastIndexOf(']');
  const colon = domain.indexOf(':', bracket + 1);
  const host = colon === -1 ? domain : domain.slice(0, colon);
  const port = colon === -1 ? undefined : domain.slice(colon + 1);
  const isHost = IPV6_HOST.test(host) || host.split('.').every((label) => DOMAIN_LABEL.test(label));
  if (!isHost && !isUnderscoreHost(domain)) {
    throw new InvalidReferenceError(`the registry ${quote(domain)} is not a host name`);
  }
  // distribution/reference takes any digits; a port out of range could never be contacted.
  if (port !== undefined && !(PORT.test(port) && Number(port) >= 1 && Number(port) <= 65535)) {
    throw new InvalidReferenceError(`the registry ${quote(domain)} has no valid port`);
  }
  // Spelled like this no runtime takes it for Docker Hub: it would ask the website, and find no image.
  const isHub = [DEFAULT_DOMAIN, LEGACY_DEFAULT_DOMAIN].includes(domain.toLowerCase());
  if (isHub && domain !== DEFAULT_DOMAIN) {
    throw new InvalidReferenceError(`${quote(domain)} must be lower case to mean Docker Hub`);
  }
}

/**
 * Whether the domain has an underscore, and is a host all the same: distribution/reference takes such a one for the
 * first part of the path (so that no port can follow it, and it counts for the path's length), but containerd asks
 * whatever stands before the first slash (pkg/reference).
 */
function isUnderscoreHost(domain: string): boolean {
  return domain.includes('_') && PATH_COMPONENT.test(domain);
}

function checkPath(path: string): void {
  if (path !== path.toLowerCase()) throw new InvalidReferenceError('the repository must be lower case');
  if (!path.split('/').every((component) => PATH_COMPONENT.test(component))) {
    throw new InvalidReferenceError(`the repository ${quote(path)} is not valid`);
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
