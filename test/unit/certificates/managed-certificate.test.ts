import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import {
  authoritiesIn,
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
const NONSENSE = { cert: 'x', key: 'y', trusted: 'z' };

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

  process(moreNames: readonly string[] = []): ManagedCertificate {
    return new ManagedCertificate({
      ...NAMES,
      names: [...NAMES.names, ...moreNames],
      store: this.store,
      anchors: this.anchors,
      settleMs: SETTLE_MS,
      onChange: () => {},
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
        expect(isTrusted(process, cluster)).toBe(true);
      }
      cluster.nowMs += SETTLE_MS / 2;
    }
    expect(cluster.repairs.filter((what) => what.startsWith('renewed'))).toHaveLength(1);
  });
});

/** Whether the API server can check what this process serves. */
function isTrusted({ served }: ManagedCertificate, { trusted }: PlayedCluster): boolean {
  const certificate = new X509Certificate(served?.cert ?? '');
  const authorities = authoritiesIn(trusted[0] ?? '');
  return authorities.some((pem) => certificate.verify(new X509Certificate(pem).publicKey));
}

describe('every process is trusted at every moment', () => {
  test.each([
    ['the Secret is deleted', (cluster: PlayedCluster) => (cluster.secret = undefined)],
    ['the Secret holds nonsense', (cluster: PlayedCluster) => (cluster.secret = NONSENSE)],
    [
      'the Secret is half overwritten',
      (cluster: PlayedCluster) =>
        (cluster.secret = { ...(cluster.secret as CertificateBundle), key: 'x', trusted: '' }),
    ],
  ])('also where %s', async (_when, happen) => {
    const { cluster, processes } = await startedProcesses(3);
    happen(cluster);
    for (let round = 0; round < 3; round += 1) {
      for (const process of processes) {
        await process.check();
        expect(processes.map((each) => isTrusted(each, cluster))).toEqual([true, true, true]);
      }
      cluster.nowMs += SETTLE_MS;
    }
    expect(new Set(processes.map(({ served }) => served?.cert))).toEqual(new Set([cluster.secret?.cert]));
  });

  test('also where the Secret is deleted while a renewal settles', async () => {
    const { cluster, processes } = await startedProcesses(2);
    cluster.nowMs += 60 * DAY_MS;
    await processes[0]?.check();
    cluster.secret = undefined;
    for (let round = 0; round < 3; round += 1) {
      for (const process of processes) {
        await process.check();
        expect(processes.map((each) => isTrusted(each, cluster))).toEqual([true, true]);
      }
      cluster.nowMs += SETTLE_MS;
    }
  });

  test('and an authority that has ended is not kept', async () => {
    const { cluster, processes } = await startedProcesses(1);
    cluster.secret = undefined;
    cluster.nowMs += 91 * DAY_MS;
    await processes[0]?.check();
    expect(authoritiesIn(cluster.trusted[0] ?? '')).toHaveLength(1);
  });
});

/** A process with a new name starts beside one with an old name; they look in turn, over so many rounds. */
async function rollout(
  rounds: number,
): Promise<{ cluster: PlayedCluster; old: ManagedCertificate; started: ManagedCertificate }> {
  const cluster = new PlayedCluster();
  const old = cluster.process(['old.example.com']);
  await old.check();
  cluster.nowMs += SETTLE_MS;
  await old.check();
  const started = cluster.process(['new.example.com', '10.0.0.1', '::1']);
  for (let round = 0; round < rounds; round += 1) {
    for (const process of [started, old]) await process.check();
    expect(isTrusted(old, cluster)).toBe(true);
    cluster.nowMs += SETTLE_MS;
  }
  return { cluster, old, started };
}

describe('processes with other names, as in a rollout,', () => {
  test('share a certificate for the names of both: it is renewed once, and all become ready', async () => {
    const { cluster, old, started } = await rollout(6);
    expect(started.served?.cert).toBe(cluster.secret?.cert);
    expect(cluster.repairs.filter((what) => what.startsWith('renewed'))).toEqual([
      'renewed the certificate: names changed',
    ]);
    expect(old.served?.cert).toBe(cluster.secret?.cert);
    const certificate = new X509Certificate(cluster.secret?.cert ?? '');
    for (const name of ['samebytes.samebytes.svc', 'new.example.com', 'old.example.com']) {
      expect(certificate.checkHost(name)).toBeDefined();
    }
    for (const address of ['127.0.0.1', '10.0.0.1', '::1'])
      expect(certificate.checkIP(address)).toBeDefined();
  });

  test('leave names behind that are gone with the next renewal that is due', async () => {
    const { cluster, started } = await rollout(3);
    cluster.nowMs += 60 * DAY_MS;
    await started.check();
    const certificate = new X509Certificate(cluster.secret?.cert ?? '');
    expect(certificate.checkHost('new.example.com')).toBeDefined();
    expect(certificate.checkHost('old.example.com')).toBeUndefined();
  });

  test('cannot make a certificate grow without end', async () => {
    const cluster = new PlayedCluster();
    for (let batch = 0; batch < 10; batch += 1) {
      const names = Array.from({ length: 20 }, (_, index) => `name-${batch}-${index}.example.com`);
      await cluster.process(names).check();
    }
    const names = new X509Certificate(cluster.secret?.cert ?? '').subjectAltName?.split(', ') ?? [];
    expect(names.length).toBeLessThanOrEqual(60);
  });
});

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
  ['nonsense', NONSENSE],
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
  cluster.secret = await renewBundle([], NAMES, cluster.now());
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
    const bundle = await renewBundle([], NAMES, now);
    expect(renewalReason(bundle, NAMES, after(days))).toBe(reason);
  });

  test('other names', async () => {
    const bundle = await renewBundle([], NAMES, now);
    const more = { ...NAMES, names: [...NAMES.names, 'other.example.com'] };
    expect(renewalReason(bundle, more, now)).toBe('names changed');
  });

  test('a key of another certificate, or an authority that did not sign it', async () => {
    const bundle = await renewBundle([], NAMES, now);
    const { ca, serving } = await issueCertificates({ names: NAMES.names, notBefore: now, validDays: 90 });
    expect(renewalReason({ ...bundle, key: serving.key }, NAMES, now)).toBe('unusable');
    expect(renewalReason({ ...bundle, trusted: ca.cert }, NAMES, now)).toBe('unusable');
  });
});
