import { createHealthApp } from '../server/health-app.ts';
import { Listener } from '../server/listener.ts';
import { TlsFiles } from '../server/tls-files.ts';
import { createWebhookApp } from '../server/webhook-app.ts';
import { logAdmission } from '../telemetry/admission-log.ts';
import { errorFields } from '../telemetry/log.ts';
import { wireDecider, type WiringOptions } from './wire-decider.ts';

/** A webhook process's servers, while they run. */
export interface RunningWebhook {
  readonly webhookPort: number;
  readonly healthPort: number;
  /**
   * Not ready from now on; takes no more requests, if it is to drain only after the drain time; resolves when the last
   * one is answered.
   */
  readonly stop: (how: { drain: boolean }) => Promise<void>;
}

/** Starts the webhook over TLS and its health port. @throws where files or ports cannot be used. */
export async function startWebhook(options: WiringOptions): Promise<RunningWebhook> {
  const { settings, log, metrics } = options;
  let ready = true;
  const { decider, close } = wireDecider(options);
  const app = createWebhookApp({
    decider,
    maxDecisionMs: settings.webhook.maxDecisionMs,
    onAdmission: (event) => {
      metrics.countAdmission(event.decision.outcome, event.durationMs, event.decision.optOutsRefused);
      logAdmission(log, event);
    },
    onBadRequest: ({ status, message, durationMs }) => {
      metrics.countAdmission('invalid_review', durationMs, 0);
      log.warn({ status, message }, 'not an admission request');
    },
    now: () => performance.now(),
  });

  const files = await TlsFiles.open({
    certFile: settings.webhook.certFile,
    keyFile: settings.webhook.keyFile,
    onChange: (pair) => {
      webhook.useCertificate(pair);
      log.info('serving certificate renewed');
    },
    onError: (error) =>
      log.error({ error: errorFields(error) }, 'the new serving certificate cannot be used'),
  });
  const webhook = await Listener.open(app, settings.webhook, files.served);
  const healthApp = createHealthApp({ metrics, isReady: () => ready });
  const health = await Listener.open(healthApp, settings.health).catch(async (error: unknown) => {
    await webhook.close(0);
    throw error;
  });
  const reload = setInterval(() => void files.check(), settings.webhook.certReloadMs);

  const stop = async ({ drain }: { drain: boolean }): Promise<void> => {
    ready = false;
    webhook.announceClose();
    const { drainMs, graceMs } = settings.shutdown;
    if (drain) await new Promise((resolve) => setTimeout(resolve, drainMs));
    clearInterval(reload);
    await webhook.close(graceMs);
    await Promise.all([health.close(0), close()]);
  };
  return { webhookPort: webhook.port, healthPort: health.port, stop };
}
