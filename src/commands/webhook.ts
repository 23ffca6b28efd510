import { FAILURE_CODES } from '../admission/failure.ts';
import { OUTCOMES } from '../admission/outcome.ts';
import { createHealthApp } from '../server/health-app.ts';
import { Listener } from '../server/listener.ts';
import type { TlsPair } from '../server/tls-files.ts';
import { createWebhookApp } from '../server/webhook-app.ts';
import { wireTelling } from './wire-telling.ts';
import { VERSION } from './version.ts';
import { wireCertificate, type WiredCertificate } from './wire-certificate.ts';
import { wireDashboard, type DashboardWiring } from './wire-dashboard.ts';
import { wireDecider, type WiringOptions } from './wire-decider.ts';

/** A webhook process's servers, while they run. */
export interface RunningWebhook {
  readonly webhookPort: number;
  readonly healthPort: number;
  /** Undefined where the dashboard is turned off. */
  readonly dashboardPort: number | undefined;
  /**
   * Not ready from now on; takes no more requests, if it is to drain only after the drain time; resolves when the last
   * one is answered.
   */
  readonly stop: (how: { drain: boolean }) => Promise<void>;
}

/** How often a certificate that is not there yet is looked for, in milliseconds. */
const FIRST_CERTIFICATE_PAUSE_MS = 500;

/**
 * Starts the health port, and the webhook over TLS as soon as there is a certificate. `signal` ends the waiting for it.
 * @throws where files or ports cannot be used, or the signal's reason.
 */
export async function startWebhook(
  options: WiringOptions & DashboardWiring,
  signal: AbortSignal = new AbortController().signal,
): Promise<RunningWebhook> {
  const { settings, cluster, log, metrics } = options;
  let webhook: Listener | undefined;
  let stopping = false;
  metrics.process.tellVersion(VERSION);
  metrics.admissions.startAtZero(OUTCOMES, FAILURE_CODES);
  if (cluster !== undefined) metrics.limits.watch(cluster.transport.limits);
  const isReady = (): boolean => webhook !== undefined && !stopping;
  const certificate = await wireCertificate({
    ...options,
    onChange: (pair) => {
      if (webhook === undefined) return;
      webhook.useCertificate(pair);
      metrics.process.tellCertificate(pair.cert);
      log.info('serving certificate renewed');
    },
  });
  const { decider, tagMoves, tellOwner, tellServed, close } = wireDecider(options);
  const dashboard = wireDashboard(options, tagMoves);
  const telling = wireTelling(options, { recorder: dashboard.recorder, tellOwner, tellServed });
  const app = createWebhookApp({
    decider,
    maxDecisionMs: settings.webhook.maxDecisionMs,
    maxConcurrentDecisions: settings.webhook.maxConcurrentDecisions,
    onAdmission: telling.admission,
    onBadRequest: ({ outcome, status, message, durationMs }) => {
      metrics.admissions.countUnread(outcome, durationMs);
      const what = outcome === 'overloaded' ? 'no room for a request' : 'not an admission request';
      log.warn({ status, message }, what);
    },
    onLimits: metrics.limits.watch,
    now: () => performance.now(),
  });

  const health = await Listener.open(createHealthApp({ metrics, isReady }), settings.health);
  try {
    await dashboard.open();
    const pair = await firstPair(certificate, signal);
    webhook = await Listener.open(app, settings.webhook, pair);
    metrics.process.tellCertificate(pair.cert);
    metrics.limits.watch({ connections: webhook.connections });
  } catch (error) {
    telling.close();
    await Promise.all([health.close(0), dashboard.close(), close()]);
    throw error;
  }
  const listener = webhook;
  let isLooking = false;
  const look = async (): Promise<void> => {
    // One at a time: a slow look must not finish after a newer one.
    if (isLooking) return;
    isLooking = true;
    await certificate.source.check();
    isLooking = false;
  };
  const looks = setInterval(() => void look(), certificate.checkMs);

  const stop = async ({ drain }: { drain: boolean }): Promise<void> => {
    stopping = true;
    listener.announceClose();
    const { drainMs, graceMs } = settings.shutdown;
    if (drain) await new Promise((resolve) => setTimeout(resolve, drainMs));
    clearInterval(looks);
    await listener.close(graceMs);
    telling.close();
    await Promise.all([health.close(0), dashboard.close(), close()]);
  };
  return {
    webhookPort: listener.port,
    healthPort: health.port,
    dashboardPort: dashboard.port,
    stop,
  };
}

/** The pair to begin with. One that samebytes makes itself may take a while: its authority has to become known. */
async function firstPair({ source }: WiredCertificate, signal: AbortSignal): Promise<TlsPair> {
  for (;;) {
    signal.throwIfAborted();
    if (source.served === undefined) await source.check();
    if (source.served !== undefined) return source.served;
    await new Promise((resolve) => setTimeout(resolve, FIRST_CERTIFICATE_PAUSE_MS));
  }
}
