import { setTimeout as wait } from 'node:timers/promises';
import { readCaFile } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { createClient, type ClientOptions, type CreatedClient } from '../registry/create-client.ts';
import type { RegistryOptions } from '../registry/endpoint.ts';
import { NoticeLog } from '../telemetry/notice-log.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { USER_AGENT } from './version.ts';

/** Joins the registry client with settings, metrics and log. `close` frees its connections. */
export function wireRegistry({
  settings,
  metrics,
  log,
}: {
  readonly settings: Settings;
  readonly metrics: Metrics;
  readonly log: Logger;
}): CreatedClient {
  const notices = new NoticeLog(log);
  metrics.registries.reserveNames(['docker.io', ...settings.registries.map(({ host }) => host)]);
  const wired = askRegistries({
    registries: registryOptions(settings.registries),
    deadlineMs: settings.resolver.registryDeadlineMs,
    countCacheRequest: metrics.caches.countRequest,
    events: {
      onRequest: metrics.registries.countRequest,
      onNotice: (notice) => {
        if (notice.kind === 'digest_mismatch') metrics.registries.countDigestMismatch(notice.registry);
        notices.tell(notice);
      },
      onPullsRemaining: metrics.registries.setPullsRemaining,
      onBreaker: (registry, change) => {
        metrics.registries.changeBreakersOpen(registry, change);
        if (change === 1) log.warn({ registry }, 'registry breaker open: it is not asked for a while');
        else log.info({ registry }, 'registry breaker closed');
      },
      onDeniedFast: metrics.registries.countDeniedFast,
    },
  });
  return { ...wired, caches: { ...wired.caches, ...notices.caches } };
}

/** A registry client of this program, for whoever listens to its events. `close` frees its connections. */
export function askRegistries(
  options: Pick<ClientOptions, 'registries' | 'deadlineMs' | 'countCacheRequest' | 'events'>,
): CreatedClient {
  return createClient({
    ...options,
    userAgent: USER_AGENT,
    retry: { random: Math.random, wait: pause },
    now: () => performance.now(),
  });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

/** What the settings say of registries, with the CA files that they name. @throws {SettingsError} for such a file. */
export function registryOptions(registries: Settings['registries']): RegistryOptions[] {
  return registries.map((registry, index) => {
    const {
      host,
      insecure,
      caFile,
      allowPrivateAddresses: allowPrivate,
      allowLoopback,
      tokenHosts,
    } = registry;
    const ca = caFile === undefined ? undefined : readCaFile(caFile, `registries[${index}].caFile`);
    return { host, insecure, ca, allowPrivate, allowLoopback, tokenHosts };
  });
}
