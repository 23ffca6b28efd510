import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import {
  renewalReason,
  renewBundle,
  type CertificateBundle,
} from '../../../src/certificates/certificate-bundle.ts';
import {
  ManagedCertificate,
  type CertificateStore,
  type TrustAnchors,
} from '../../../src/certificates/managed-certificate.ts';

const NAMES = { names: ['samebytes.samebytes.svc', '127.0.0.1'], validDays: 90 };
const DAY_MS = 86_400_000;
const SETTLE_MS = 5_000;

/** One cluster for several processes: a Secret, a webhook configuration, and versions that make one writer win. */
class PlayedCluster {
  nowMs = Date.UTC(2026, 0, 1);
  secret: CertificateBundle | undefined;
  trusted: (string | undefined)[] = [undefined, undefined, undefined];
  writes = 0;
  readonly repairs: string[] = [];
  #version = 0;
  #trustVersion = 0;

  readonly now = (): Date => new Date(this.nowMs);

  process(served: CertificateBundle[] = []): ManagedCertificate {
    return new ManagedCertificate({
      ...NAMES,
      store: this.store,
      anchors: this.anchors,
      settleMs: SETTLE_MS,
      onChange: (bundle) => void served.push(bundle),
      onRepair: (what) => void this.repairs.push(what),
      now: this.now,
    });
  }

  readonly store: CertificateStore = {
    read: async () => this.secret && { bundle: this.secret, version: String(this.#version) },
    create: async (bundle) => {
      if (this.secret !== undefined) return false;
      this.secret = bundle;
      return true;
    },
    replace: async (bundle, version) => {
      if (version !== String(this.#version)) return false;
      this.#version += 1;
      this.secret = bundle;
      return true;
    },
  };

  readonly anchors: TrustAnchors = {
    read: async () => ({ trusted: [...this.trusted], version: String(this.#trustVersion) }),
    write: async (trusted, version) => {
      if (version !== String(this.#trustVersion)) return false;
      this.#trustVersion += 1;
      this.writes += 1;
      this.trusted = this.trusted.map(() => trusted);
      return true;
    },
  };
}

describe('the first certificate', () => {
  test('is made, its authority is written to every webhook, and it is served once that has settled', async () => {
    const cluster = new PlayedCluster();
    const process = cluster.process();
    await process.check();
    expect(cluster.trusted).toEqual([
      cluster.secret?.trusted,
      cluster.secret?.trusted,
      cluster.secret?.trusted,
    ]);
    expect(process.served).toBeUndefined();
    cluster.nowMs += SETTLE_MS;
    await process.check();
    expect(process.served?.cert).toBe(cluster.secret?.cert);
    expect(renewalReason(process.served as CertificateBundle, NAMES, cluster.now())).toBeUndefined();
  });

  test('is one, however many processes start at once', async () => {
    const cluster = new PlayedCluster();
    const processes = Array.from({ length: 5 }, () => cluster.process());
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(processes.map((process) => process.check()));
      cluster.nowMs += SETTLE_MS;
    }
    expect(new Set(processes.map(({ served }) => served?.cert))).toEqual(new Set([cluster.secret?.cert]));
    expect(cluster.writes).toBe(1);
    expect(cluster.repairs.filter((what) => what === 'made a certificate')).toHaveLength(1);
  });

  test('is served at once by a process that finds it trusted already', async () => {
    const cluster = new PlayedCluster();
    await cluster.process().check();
    const second = cluster.process();
    await second.check();
    expect(second.served).toBeDefined();
  });
});

/** So many processes that serve the first certificate. */
async function startedProcesses(
  count: number,
): Promise<{ cluster: PlayedCluster; processes: ManagedCertificate[] }> {
  const cluster = new PlayedCluster();
  await cluster.process().check();
  const processes = Array.from({ length: count }, () => cluster.process());
  for (const process of processes) await process.check();
  return { cluster, processes };
}

describe('a certificate at two thirds of its life', () => {
  test('is renewed, and no sooner', async () => {
    const { cluster, processes } = await startedProcesses(1);
    const before = cluster.secret?.cert;
    cluster.nowMs += 59 * DAY_MS;
    await processes[0]?.check();
    expect(cluster.secret?.cert).toBe(before);
    cluster.nowMs += DAY_MS;
    await processes[0]?.check();
    expect(cluster.secret?.cert).not.toBe(before);
  });

  test('is served on until the new authority is known, and both are trusted meanwhile', async () => {
    const { cluster, processes } = await startedProcesses(2);
    const old = cluster.secret;
    cluster.nowMs += 60 * DAY_MS;
    for (const process of processes) await process.check();
    expect(cluster.trusted[0]).toContain(old?.trusted.trim());
    expect(cluster.trusted[0]).toContain(cluster.secret?.trusted.trim());
    expect(processes.map((process) => process.served?.cert)).toEqual([old?.cert, old?.cert]);
    cluster.nowMs += SETTLE_MS;
    for (const process of processes) await process.check();
    const renewed = cluster.secret?.cert;
    expect(processes.map((process) => process.served?.cert)).toEqual([renewed, renewed]);
  });

  test('leaves no more than two authorities behind, however often it is renewed', async () => {
    const { cluster, processes } = await startedProcesses(1);
    for (let round = 0; round < 5; round += 1) {
      cluster.nowMs += 60 * DAY_MS;
      await processes[0]?.check();
      cluster.nowMs += SETTLE_MS;
      await processes[0]?.check();
    }
    expect(cluster.secret?.trusted.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  test('is renewed once by many processes, and every process has a certificate that is trusted at every moment', async () => {
    const { cluster, processes } = await startedProcesses(4);
    cluster.nowMs += 60 * DAY_MS;
    for (let round = 0; round < 6; round += 1) {
      await Promise.all(processes.map((process) => process.check()));
      for (const process of processes) {
        const { issuer, verify } = trustOf(process.served?.cert ?? '', cluster.trusted[0] ?? '');
        expect(issuer).toBe('CN=samebytes CA');
        expect(verify).toBe(true);
      }
      cluster.nowMs += SETTLE_MS / 2;
    }
    expect(cluster.repairs.filter((what) => what.startsWith('renewed'))).toHaveLength(1);
  });
});

function trustOf(cert: string, trusted: string): { issuer: string; verify: boolean } {
  const certificate = new X509Certificate(cert);
  const authorities = trusted.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const verify = authorities.some((pem) => certificate.verify(new X509Certificate(pem).publicKey));
  return { issuer: certificate.issuer, verify };
}

test('authorities that somebody took out of the configuration are put back', async () => {
  const cluster = new PlayedCluster();
  const process = cluster.process();
  await process.check();
  for (const lost of [undefined, '', 'nonsense']) {
    cluster.trusted[1] = lost;
    await process.check();
    expect(cluster.trusted[1]).toBe(cluster.secret?.trusted);
  }
});

test.each([
  ['nonsense', { cert: 'x', key: 'y', trusted: 'z' }],
  ['nothing', { cert: '', key: '', trusted: '' }],
])('a Secret that holds %s is made anew', async (_what, secret) => {
  const cluster = new PlayedCluster();
  cluster.secret = secret;
  await cluster.process().check();
  expect(renewalReason(cluster.secret, NAMES, cluster.now())).toBeUndefined();
});

test('a process whose certificate is trusted no more takes the new one at once', async () => {
  const cluster = new PlayedCluster();
  const process = cluster.process();
  await process.check();
  cluster.nowMs += SETTLE_MS;
  await process.check();
  cluster.secret = await renewBundle(undefined, NAMES, cluster.now());
  await process.check();
  expect(process.served?.cert).toBe(cluster.secret.cert);
});

describe('why a certificate is made anew', () => {
  const now = new Date(Date.UTC(2026, 0, 1));
  const after = (days: number): Date => new Date(now.getTime() + days * DAY_MS);

  test.each([
    ['none while it is young', 0, undefined],
    ['due at two thirds of its life', 61, 'due'],
    ['expired', 91, 'expired'],
    ['expired where the clock went back', -1, 'expired'],
  ])('%s', async (_when, days, reason) => {
    const bundle = await renewBundle(undefined, NAMES, now);
    expect(renewalReason(bundle, NAMES, after(days))).toBe(reason);
  });

  test('other names', async () => {
    const bundle = await renewBundle(undefined, NAMES, now);
    const more = { ...NAMES, names: [...NAMES.names, 'other.example.com'] };
    expect(renewalReason(bundle, more, now)).toBe('names changed');
  });

  test('a key of another certificate, or an authority that did not sign it', async () => {
    const bundle = await renewBundle(undefined, NAMES, now);
    const { ca, serving } = await issueCertificates({ names: NAMES.names, notBefore: now, validDays: 90 });
    expect(renewalReason({ ...bundle, key: serving.key }, NAMES, now)).toBe('unusable');
    expect(renewalReason({ ...bundle, trusted: ca.cert }, NAMES, now)).toBe('unusable');
  });
});
