import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { issueCertificates } from './authority.ts';

/** A serving certificate with its key, and the authorities by which clients know it; all in PEM. */
export interface CertificateBundle {
  readonly cert: string;
  readonly key: string;
  /** The authority of `cert` first, then the one before it, so that a process that still serves that one is trusted. */
  readonly trusted: string;
}

export interface BundleOptions {
  /** DNS names and IP addresses that clients call the server by. */
  readonly names: readonly string[];
  readonly validDays: number;
}

export type RenewalReason = 'unusable' | 'names changed' | 'expired' | 'due';

/** A clock of another machine may be behind by this much when it first sees a certificate. */
const BACKDATE_MS = 60 * 60 * 1000;
/** A certificate is renewed after this part of its life. */
const RENEWAL_AT = 2 / 3;
/** Of so many earlier authorities there may be certificates that are still served. */
const MAX_KEPT = 2;
const MAX_NAMES = 60;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * A new authority and a new serving certificate that it signed. The authority's key is thrown away: nobody can sign
 * another certificate with it, and the next renewal makes a new one. The first of `kept` that are still valid stay
 * trusted, at most two.
 */
export async function renewBundle(
  kept: readonly string[],
  { names, validDays }: BundleOptions,
  now: Date,
): Promise<CertificateBundle> {
  const notBefore = new Date(now.getTime() - BACKDATE_MS);
  const { ca, serving } = await issueCertificates({ names, notBefore, validDays });
  const alive = [...new Set(kept)].filter((pem) => isAlive(pem, now)).slice(0, MAX_KEPT);
  return {
    cert: serving.cert,
    key: serving.key,
    trusted: [ca.cert, ...alive.map((pem) => `${pem}\n`)].join(''),
  };
}

/** All authorities in a text, in PEM, as they stand there: newest first in what {@link renewBundle} makes. */
export function authoritiesIn(trusted: string): string[] {
  return trusted.match(CERTIFICATE) ?? [];
}

/**
 * The names of a certificate besides one's own, so that processes with other settings, as in a rollout, are content with
 * it, too; only one's own where there would be too many.
 */
export function namesTogether(cert: string, own: readonly string[]): readonly string[] {
  const others = new X509Certificate(cert).subjectAltName?.split(', ') ?? [];
  const names = others.flatMap((text) => /^(?:DNS|IP Address):([0-9A-Za-z.:*_-]+)$/.exec(text)?.[1] ?? []);
  const all = [...new Set([...own, ...names])];
  return all.length > MAX_NAMES ? own : all;
}

/** The first of the authorities, in PEM; empty where there is none. */
export function newestAuthority(trusted: string): string {
  return authoritiesIn(trusted)[0] ?? '';
}

/** Why a bundle cannot be served any longer, or should not be; undefined where it can. */
export function renewalReason(
  { cert, key, trusted }: CertificateBundle,
  { names }: BundleOptions,
  now: Date,
): RenewalReason | undefined {
  let serving: X509Certificate;
  let authority: X509Certificate;
  try {
    serving = new X509Certificate(cert);
    authority = new X509Certificate(trusted);
    if (!serving.checkPrivateKey(createPrivateKey(key)) || !serving.verify(authority.publicKey)) {
      return 'unusable';
    }
  } catch {
    return 'unusable';
  }
  if (!names.every((name) => isFor(serving, name))) return 'names changed';
  const from = serving.validFromDate.getTime();
  const to = Math.min(serving.validToDate.getTime(), authority.validToDate.getTime());
  if (now.getTime() >= to || now.getTime() < from) return 'expired';
  return now.getTime() >= from + (to - from) * RENEWAL_AT ? 'due' : undefined;
}

function isFor(certificate: X509Certificate, name: string): boolean {
  const found = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name);
  return found !== undefined;
}

function isAlive(pem: string, now: Date): boolean {
  try {
    return new X509Certificate(pem).validToDate > now;
  } catch {
    return false;
  }
}
