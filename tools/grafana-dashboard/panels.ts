import {
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
  type DataSourceRef,
} from '@grafana/grafana-foundation-sdk/common';
import { ThresholdsConfigBuilder, ThresholdsMode } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';

/** The Prometheus that the dashboard's variable names. */
export const PROMETHEUS: DataSourceRef = { type: 'prometheus', uid: '$datasource' };

/** One line of a panel, or several: an expression, and what the legend calls what it gives. */
export interface Query {
  readonly expression: string;
  readonly legend: string;
}

/** One query of a panel. */
export function line(expression: string, legend: string): Query {
  return { expression, legend };
}

export interface PanelText {
  readonly title: string;
  /** What it tells, and when to worry; behind the panel's (i). */
  readonly description: string;
  /** Grafana's name of the unit. */
  readonly unit: string;
  readonly queries: readonly Query[];
}

export interface Look {
  /** In 24ths of the width. */
  readonly width: number;
  readonly stacked?: boolean;
  readonly max?: number;
}

/** What counts as bad in a single number: from the first value on yellow, from the second on red; or the other way. */
export interface Limits {
  readonly warn: number;
  readonly alarm: number;
}

const GRAPH_HEIGHT = 8;
const STAT_HEIGHT = 4;

/** Numbers over time. */
export function graph({ title, description, unit, queries }: PanelText, look: Look): TimeSeriesPanel {
  const { width, stacked = false, max } = look;
  const panel = new TimeSeriesPanel()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .unit(unit)
    .min(0)
    .span(width)
    .height(GRAPH_HEIGHT)
    .drawStyle(GraphDrawStyle.Line)
    .fillOpacity(stacked ? 30 : 8)
    .showPoints(VisibilityMode.Never)
    .stacking(new StackingConfigBuilder().mode(stacked ? StackingMode.Normal : StackingMode.None))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    );
  if (max !== undefined) panel.max(max);
  queries.forEach((query, index) => panel.withTarget(target(query, index)));
  return panel;
}

/** One number: the last one. */
export function stat(
  { title, description, unit, queries }: PanelText,
  width: number,
  limits?: Limits,
): StatPanel {
  const panel = new StatPanel()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .unit(unit)
    .span(width)
    .height(STAT_HEIGHT)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(
      new ThresholdsConfigBuilder()
        .mode(ThresholdsMode.Absolute)
        .steps(limits === undefined ? PLAIN : steps(limits)),
    );
  queries.forEach((query, index) => panel.withTarget(target(query, index)));
  return panel;
}

const PLAIN = [{ value: null, color: 'green' }];

function steps({ warn, alarm }: Limits): { value: number | null; color: string }[] {
  return alarm > warn
    ? [...PLAIN, { value: warn, color: 'yellow' }, { value: alarm, color: 'red' }]
    : [
        { value: null, color: 'red' },
        { value: alarm, color: 'yellow' },
        { value: warn, color: 'green' },
      ];
}

function target({ expression, legend }: Query, index: number): DataqueryBuilder {
  return new DataqueryBuilder()
    .datasource(PROMETHEUS)
    .refId('ABCDEFGH'.charAt(index))
    .expr(expression)
    .legendFormat(legend)
    .range();
}
