import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PROMETHEUS } from './panels.ts';
import { admissions, glance } from './admission-rows.ts';
import { pins, processes } from './process-rows.ts';
import { caches, registries } from './source-rows.ts';

const ROWS = [glance, admissions, caches, registries, pins, processes];

/** The Grafana dashboard of all webhook processes, or of those that its variable `instance` chooses. */
export function samebytesDashboard(): Dashboard {
  const dashboard = new DashboardBuilder('samebytes')
    .uid('samebytes')
    .description('What samebytes does with Pods, and why not.')
    .tags(['samebytes', 'kubernetes'])
    .timezone('browser')
    .editable()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('instance')
        .label('Webhook process')
        .datasource(PROMETHEUS)
        .query({ query: 'label_values(samebytes_build_info, instance)', refId: 'instance' })
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .allValue('.*')
        .current({ selected: true, text: 'All', value: '$__all' }),
    );
  for (const { title, panels } of ROWS) {
    dashboard.withRow(new RowBuilder(title));
    for (const panel of panels) dashboard.withPanel(panel);
  }
  return numbered(dashboard.build());
}

/** Grafana wants an id for each panel; in order, so that a new one changes little. */
function numbered(dashboard: Dashboard): Dashboard {
  return {
    ...dashboard,
    panels: (dashboard.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })),
  };
}

/** The text of the file that Grafana reads. */
export function dashboardFile(): string {
  return `${JSON.stringify(samebytesDashboard(), undefined, 2)}\n`;
}
