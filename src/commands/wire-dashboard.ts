import { hostname } from 'node:os';
import { Dashboard, SAMPLE_EVERY_MS, type DashboardOptions } from '../dashboard/dashboard.ts';
import { createDashboardApp } from '../dashboard/dashboard-app.ts';
import type { Recorder } from '../dashboard/recorder.ts';
import { ownNamespace } from '../kubernetes/cluster.ts';
import type { TagMove, TagMoves } from '../pins/tag-moves.ts';
import type { Revision } from '../pins/revision.ts';
import { Listener } from '../server/listener.ts';
import { errorFields } from '../telemetry/log.ts';
import { VERSION } from './version.ts';
import type { WiringOptions } from './wire-decider.ts';

export interface DashboardWiring {
  /** Replaced by tests, which play the time. */
  readonly createDashboard?: (options: DashboardOptions) => Dashboard;
}

export interface WiredDashboard {
  /** Hears what happens; undefined where the dashboard is turned off. */
  readonly recorder: Recorder | undefined;
  /** Once it is open. */
  readonly port: number | undefined;
  /** @throws where its port cannot be used. */
  readonly open: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Only the Pod itself: it shows every namespace's images, so Kubernetes' own access rules (port-forward) guard it. */
const HOST = '127.0.0.1';

/** Joins the page of this process: its metrics, its last decisions, and a port of its own. */
export function wireDashboard(options: WiringOptions & DashboardWiring, tagMoves: TagMoves): WiredDashboard {
  const { settings, cluster, log, metrics } = options;
  const { createDashboard = (parts) => new Dashboard(parts) } = options;
  if (!settings.dashboard.enabled) {
    return { recorder: undefined, port: undefined, open: async () => {}, close: async () => {} };
  }
  const dashboard = createDashboard({
    metrics,
    process: {
      name: hostname(),
      namespace: cluster && ownNamespace(cluster),
      version: VERSION,
      since: new Date(performance.timeOrigin).toISOString(),
    },
    now: () => new Date(),
  });
  showTagMoves(dashboard.recorder, tagMoves);
  let listener: Listener | undefined;
  const sample = (): void => {
    dashboard
      .sample()
      .catch((error: unknown) =>
        log.warn({ error: errorFields(error) }, 'the dashboard cannot read the metrics'),
      );
  };
  let samples: NodeJS.Timeout | undefined;
  return {
    recorder: dashboard.recorder,
    get port() {
      return listener?.port;
    },
    open: async () => {
      listener = await Listener.open(createDashboardApp({ dashboard }), {
        ...settings.dashboard,
        host: HOST,
      });
      samples = setInterval(sample, SAMPLE_EVERY_MS).unref();
    },
    close: async () => {
      clearInterval(samples);
      await listener?.close(0);
    },
  };
}

/** A move that an old pin showed is told as both: it is one line of the page. */
function showTagMoves(recorder: Recorder, tagMoves: TagMoves): void {
  let last: TagMove | undefined;
  const show = (move: TagMove, revision: Revision | undefined): void => {
    if (move === last) return;
    last = move;
    const { namespace = '', kind, name } = revision ?? {};
    recorder.tagMoved({ ...move, namespace, owner: revision === undefined ? '' : `${kind}/${name}` });
  };
  tagMoves.subscribe({ moved: show, oldServed: show });
}
