import type { Command } from 'commander';
import { AdmissionregistrationV1Api } from '@kubernetes/client-node';
import { loadSettings, SettingsError } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { ClusterConnection } from '../kubernetes/cluster-connection.ts';
import { findCluster, KubeconfigError, ownNamespace } from '../kubernetes/cluster.ts';
import { WebhookConfiguration } from '../kubernetes/webhook-configuration.ts';
import { createLog, errorFields, type Logger } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { followLogLevel } from './follow-log-level.ts';
import { CommandError, type Surroundings } from './surroundings.ts';
import { VERSION } from './version.ts';
import { startWebhook, type RunningWebhook } from './webhook.ts';

/** Adds `samebytes serve`: the webhook, until it is told to stop. */
export function addServe(program: Command, surroundings: Surroundings): void {
  program
    .command('serve')
    .description('run the admission webhook')
    .option('--config <file>', 'settings in YAML (all defaults without)')
    .option('--webhook-port <port>', 'port of the webhook')
    .option('--cert-file <file>', 'serving certificate in PEM')
    .option('--key-file <file>', 'private key in PEM')
    .option('--health-port <port>', 'port of /metrics, /healthz and /readyz')
    .option('--dashboard-port <port>', 'port of the dashboard on 127.0.0.1')
    .option('--kubeconfig <file>', 'the cluster to ask')
    .option('--pin-store <store>', 'kubernetes, or memory to try it without a cluster')
    .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent')
    .action((flags: Record<string, string | undefined>) => serve(flags, surroundings));
}

async function serve(
  flags: Record<string, string | undefined>,
  { env, output, onStopSignal }: Surroundings,
): Promise<void> {
  const stopped = Promise.withResolvers<string>();
  const starting = new AbortController();
  onStopSignal((name) => {
    stopped.resolve(name);
    starting.abort(new CommandError(`stopped by ${name} before it was ready`));
  });
  const { log, webhook, cluster, stopFollowing } = await start(flags, env, output.isTTY, starting.signal);
  const signal = await stopped.promise;
  stopFollowing();
  log.info({ signal }, 'stopping: requests under way are finished first');
  // At a terminal there is no Service that has to be told before requests stop coming.
  await webhook.stop({ drain: signal !== 'SIGINT' });
  await cluster?.close();
  log.info('stopped');
}

interface Started {
  readonly log: Logger;
  readonly webhook: RunningWebhook;
  readonly cluster: ClusterConnection | undefined;
  /** Ends the look for another log level in the settings file. */
  readonly stopFollowing: () => void;
}

async function start(
  flags: Record<string, string | undefined>,
  env: Surroundings['env'],
  pretty: boolean,
  signal: AbortSignal,
): Promise<Started> {
  try {
    const file = flags['config'];
    const overrides = { flags, env };
    const settings = loadSettings(file, overrides);
    const metrics = new Metrics({ processMetrics: true });
    const onLimits = metrics.limits.watch;
    const log = createLog({ level: settings.log.level, pretty, onLimits });
    const cluster = findCluster(settings.kubernetes.kubeconfig);
    const webhook = await startWebhook({ settings, cluster, log, metrics }, signal);
    const { webhookPort, healthPort, dashboardPort } = webhook;
    if (cluster !== undefined) void warnAboutOwnNamespace(cluster, settings, log);
    log.info(
      {
        version: VERSION,
        webhookPort,
        healthPort,
        dashboardPort,
        cluster: cluster?.getCurrentCluster()?.server,
      },
      'ready',
    );
    if (settings.pins.store === 'memory') {
      log.warn('pins are kept in memory: they end with this process, and no other process knows them');
    }
    const stopFollowing = file === undefined ? () => {} : followLogLevel({ file, overrides, settings, log });
    return { log, webhook, cluster, stopFollowing };
  } catch (error) {
    throw startError(error);
  }
}

/** kustomize's `namespace:` does not reach into the webhooks' selectors: a changed namespace has to be written there. */
async function warnAboutOwnNamespace(
  cluster: ClusterConnection,
  settings: Settings,
  log: Logger,
): Promise<void> {
  const name = settings.certificates.webhookConfiguration;
  const namespace = ownNamespace(cluster);
  const api = cluster.makeApiClient(AdmissionregistrationV1Api);
  try {
    const webhooks = await new WebhookConfiguration(api, name).notSparing(namespace);
    if (webhooks.length === 0) return;
    log.error(
      { namespace, webhooks },
      'the webhooks do not spare the namespace that samebytes runs in: add its name to their namespaceSelector',
    );
  } catch (error) {
    log.warn({ error: errorFields(error) }, 'cannot check which namespaces the webhooks spare');
  }
}

/** What went wrong at start, in words for whoever typed the command; anything unforeseen stays as it is. */
function startError(error: unknown): unknown {
  if (error instanceof CommandError) return error;
  if (error instanceof SettingsError || error instanceof KubeconfigError)
    return new CommandError(error.message);
  if (!(error instanceof Error) || !('code' in error)) return error;
  if ('port' in error)
    return new CommandError(`cannot listen on port ${String(error.port)} (${String(error.code)})`);
  if ('path' in error) return new CommandError(`cannot read ${String(error.path)} (${String(error.code)})`);
  return new CommandError(`cannot start: ${error.message} (${String(error.code)})`);
}
