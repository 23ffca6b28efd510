import uPlot from 'uplot';
import type { Point } from '../state.ts';
import { element } from './element.ts';
import { Table } from './table.ts';
import { clock, clockSeconds } from './words.ts';

export type Colour = 'blue' | 'orange' | 'violet' | 'teal' | 'pink' | 'red' | 'grey';

export interface Series {
  readonly name: string;
  readonly colour: Colour;
  /** Dashes tell lines apart where colours do not. */
  readonly dash?: number[];
  readonly valueOf: (point: Point) => number | undefined;
}

export interface ChartOptions {
  readonly title: string;
  readonly hint: string;
  readonly format: (value: number) => string;
  /** The top of the scale; by the values where absent. */
  readonly max?: number;
  /** Areas on top of each other, instead of lines. */
  readonly isStacked?: boolean;
  /** All series that may appear, in order; those without a value are not listed. */
  readonly series: readonly Series[];
}

const SHOWN_MS = 15 * 60_000;
const HEIGHT = 190;
/** The table beside a chart has one row for so many points, the newest always. */
const TABLE_EVERY = 12;

/** A chart with its legend, and the same as a table for whoever cannot see it. */
export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #plotElement = element('div', { class: 'plot', role: 'img' });
  readonly #legend = element('ul', { class: 'legend' });
  readonly #table: Table<Point>;
  readonly #plot: uPlot;
  #points: readonly Point[] = [];

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#table = new Table<Point>({
      caption: `${options.title}, minute by minute`,
      columns: [
        { heading: 'Minute to', cell: ({ atMs }) => clockSeconds(atMs) },
        ...options.series.map(({ name, valueOf }) => ({
          heading: name,
          cell: (point: Point) => this.#text(valueOf(point)),
          isNumber: true,
        })),
      ],
      none: 'Nothing yet.',
    });
    this.element = element('figure', {}, [
      element('figcaption', {}, [element('h3', {}, options.title), element('p', {}, options.hint)]),
      this.#plotElement,
      this.#legend,
      element('details', {}, [element('summary', {}, 'As a table'), this.#table.element]),
    ]);
    this.#plot = new uPlot(this.#plotOptions(), [[]], this.#plotElement);
    this.#table.fill(this.#points);
    this.#tell(undefined);
    new ResizeObserver(([entry]) => {
      const width = entry?.contentRect.width ?? 0;
      if (width > 0) this.#plot.setSize({ width, height: HEIGHT });
    }).observe(this.#plotElement);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot.redraw(false));
  }

  /** Draws these points; the time scale ends at `nowMs`. */
  draw(points: readonly Point[], nowMs: number): void {
    const isNew = points.at(-1) !== this.#points.at(-1);
    this.#points = points;
    if (!isNew) return;
    const columns = this.#options.series.map(({ valueOf }) => points.map((point) => valueOf(point) ?? null));
    const times = points.map(({ atMs }) => atMs / 1000);
    this.#plot.setData([times, ...(this.#options.isStacked === true ? stacked(columns) : columns)], false);
    const newest = Math.max(nowMs, points.at(-1)?.atMs ?? 0) / 1000;
    this.#plot.batch(() => {
      this.#plot.setScale('x', { min: newest - SHOWN_MS / 1000, max: newest });
      this.#plot.setScale('y', { min: 0, max: this.#top() });
    });
    this.#table.fill(
      points.filter((_, index) => (points.length - 1 - index) % TABLE_EVERY === 0).toReversed(),
    );
    this.#tell(points.at(-1));
  }

  /** The legend says what a moment was like: the newest one, or the one under the pointer. */
  #tell(point: Point | undefined): void {
    const values = this.#options.series.flatMap(({ name, colour, valueOf }) => {
      const value = point === undefined ? undefined : valueOf(point);
      return value === undefined ? [] : [{ name, colour, text: this.#text(value) }];
    });
    const items = values.map(({ name, colour, text }) =>
      element('li', {}, [element('span', { class: `swatch ${colour}` }), `${name} `, element('b', {}, text)]),
    );
    this.#legend.replaceChildren(
      ...(items.length === 0 ? [element('li', { class: 'none' }, 'nothing')] : items),
    );
    const summary = values.map(({ name, text }) => `${name} ${text}`).join(', ');
    this.#plotElement.setAttribute(
      'aria-label',
      `${this.#options.title}: ${summary === '' ? 'nothing yet' : summary}`,
    );
  }

  #text(value: number | undefined): string {
    return value === undefined ? '–' : this.#options.format(value);
  }

  #top(): number {
    const { max, isStacked, series } = this.#options;
    if (max !== undefined) return max;
    const values = this.#points.map((point) => {
      const all = series.map(({ valueOf }) => valueOf(point) ?? 0);
      return isStacked === true ? all.reduce((sum, value) => sum + value, 0) : Math.max(...all);
    });
    return Math.max(...values, Number.MIN_VALUE) * 1.1;
  }

  #plotOptions(): uPlot.Options {
    const { format, series, isStacked } = this.#options;
    const axis = {
      stroke: () => colourOf('--muted'),
      grid: { stroke: () => colourOf('--grid'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    };
    return {
      width: 300,
      height: HEIGHT,
      padding: [10, 14, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: true, auto: false }, y: { auto: false } },
      axes: [
        {
          ...axis,
          space: 60,
          size: 30,
          values: (_, splits) => splits.map((seconds) => clock(seconds * 1000)),
        },
        { ...axis, space: 36, size: 58, values: (_, splits) => splits.map((value) => format(value)) },
      ],
      series: [
        {},
        ...series.map(({ colour, dash }) => ({
          stroke: () => colourOf(`--series-${colour}`),
          ...(isStacked === true ? { fill: () => colourOf(`--series-${colour}`), width: 0 } : { width: 2 }),
          ...(dash === undefined ? {} : { dash }),
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: {
        setCursor: [
          ({ cursor }) =>
            this.#tell(this.#points[cursor.idx ?? this.#points.length - 1] ?? this.#points.at(-1)),
        ],
      },
    };
  }
}

/** Each series on top of those after it; drawn in this order, each one covers the lower part of the one before. */
function stacked(columns: readonly (readonly (number | null)[])[]): (number | null)[][] {
  return columns.map((column, index) =>
    column.map((_, row) => columns.slice(index).reduce((sum, other) => sum + (other[row] ?? 0), 0)),
  );
}

function colourOf(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}
