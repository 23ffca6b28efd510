/** Which processes are looked at: the dashboard's variable `instance`. */
const SELECTED = 'instance=~"$instance"';

/** A metric of the selected processes, and of those samples alone that all matchers fit. */
export function of(metric: string, ...matchers: readonly string[]): string {
  return `${metric}{${[SELECTED, ...matchers].join(',')}}`;
}

/** How much a counter grows in a second, summed over processes, one line per value of the labels. */
export function perSecond(
  metric: string,
  by: readonly string[] = [],
  ...matchers: readonly string[]
): string {
  return sum(`rate(${of(metric, ...matchers)}[$__rate_interval])`, by);
}

/** How much a counter grew in the time that the dashboard shows. */
export function inRange(metric: string, ...matchers: readonly string[]): string {
  return sum(`increase(${of(metric, ...matchers)}[$__range])`, []);
}

export interface ShareOptions {
  readonly by?: readonly string[];
  /** What the whole is of; everything where absent. */
  readonly of?: readonly string[];
  /** What the part is, of that. */
  readonly part: string;
}

/** The part of a counter's growth that a matcher fits, from 0 to 1; nothing where it does not grow. */
export function share(metric: string, { by = [], of: whole = [], part }: ShareOptions): string {
  return `${perSecond(metric, by, ...whole, part)} / (${perSecond(metric, by, ...whole)} > 0)`;
}

/** A quantile of a histogram in seconds, over all processes. */
export function quantile(q: number, histogram: string, by: readonly string[] = []): string {
  return `histogram_quantile(${q}, ${perSecond(`${histogram}_bucket`, ['le', ...by])})`;
}

/** A metric that every Node.js process has, of processes of samebytes alone. */
export function ofProcess(expression: string): string {
  return `${expression} * on (instance, job) group_left () ${of('samebytes_build_info')}`;
}

function sum(expression: string, by: readonly string[]): string {
  return by.length === 0 ? `sum(${expression})` : `sum by (${by.join(', ')}) (${expression})`;
}
