import { setTimeout as wait } from 'node:timers/promises';
import type { Settings } from '../config/settings.ts';
import type { Keychain } from '../credentials/keychain.ts';
import { DigestChecks } from '../fleet/digest-checks.ts';
import type { MissingDigest } from '../fleet/missing-digests.ts';
import type { RegistryClient } from '../registry/client.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** A thousand revisions with five images each; past that, what was served the longest ago is not asked about. */
const MAX_DIGESTS = 5_000;

/** Joins what asks registries for pinned digests with metrics and log; undefined where that is off. */
export function wireDigestChecks(
  wiring: { readonly settings: Settings; readonly metrics: Metrics; readonly log: Logger },
  sources: { readonly client: RegistryClient; readonly keychain: Keychain },
): DigestChecks | undefined {
  const { settings, metrics, log } = wiring;
  const everyMs = settings.pins.checkDigestsEveryMs;
  if (everyMs === 0) return undefined;
  const checks = new DigestChecks({
    manifests: sources.client,
    keychain: sources.keychain,
    maxDigests: MAX_DIGESTS,
    everyMs,
    onError: (error) => log.error({ error: errorFields(error) }, 'a pinned digest could not be checked'),
    random: Math.random,
    // A process that has nothing else to do ends.
    wait: (ms, signal) => wait(ms, undefined, { signal, ref: false }),
    now: () => performance.now(),
  });
  checks.subscribe({
    missing: (digest) => log.warn(fieldsOf(digest), 'pinned digest missing'),
    back: (digest) => log.info(fieldsOf(digest), 'pinned digest is back'),
  });
  metrics.registries.watchMissingDigests(() => checks.missingByRegistry());
  metrics.caches.watch(checks.caches);
  return checks;
}

function fieldsOf({ namespace, repository, digest, uses }: MissingDigest): object {
  const revisions = uses.map(({ owner, revision, reference }) => ({
    owner: `${owner.kind}/${owner.name}`,
    revision: `${revision.kind}/${revision.name}`,
    reference,
  }));
  return { namespace, repository, digest, revisions };
}
