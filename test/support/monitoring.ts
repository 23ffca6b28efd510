import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

const OVERLAY = new URL('../../manifests/overlays/monitoring/', import.meta.url);

/** One alert of the PrometheusRule. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<'summary' | 'description' | 'runbook', string>>;
}

/** A file of the overlay, read anew. */
export function overlayFile(name: string): string {
  return readFileSync(new URL(name, OVERLAY), 'utf8');
}

/** What promtool and Prometheus read as a rule file: the PrometheusRule's spec. */
export const RULES = (
  parse(overlayFile('71-prometheus-rule.yaml')) as { spec: { groups: { rules: Alert[] }[] } }
).spec;
export const ALERTS: readonly Alert[] = RULES.groups.flatMap(({ rules }) => rules);

/** One query of the dashboard. */
export interface DashboardQuery {
  readonly panel: string;
  readonly expression: string;
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** Every query of the dashboard, as it stands there. */
export const QUERIES: readonly DashboardQuery[] = (
  JSON.parse(overlayFile('dashboard.json')) as { panels: Panel[] }
).panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ panel: title, expression: expr })),
);

/** The metrics that an expression names; of a histogram without its ending. */
export function metricsIn(expression: string): string[] {
  const names = expression.match(/\b(?:samebytes|process|nodejs)_[a-z0-9_]+/g) ?? [];
  return [...new Set(names.map((name) => name.replace(/_seconds_(?:bucket|sum|count)$/, '_seconds')))];
}
