import type { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import type { PanelBuilder as TimeSeriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';

/** A heading of the dashboard, and the panels under it. */
export interface Row {
  readonly title: string;
  readonly panels: readonly (TimeSeriesPanel | StatPanel)[];
}
