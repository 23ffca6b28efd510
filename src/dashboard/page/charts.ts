import type { Point } from '../state.ts';
import { Chart, type Colour, type Series } from './chart.ts';
import { count, milliseconds, OUTCOMES, percent, word } from './words.ts';

/** Fixed colours, so that a name keeps its colour whatever else there is. */
const CACHE_SERIES: readonly (readonly [string, Colour, number[]?])[] = [
  ['pin', 'blue'],
  ['tag', 'orange', [8, 4]],
  ['challenge', 'violet', [2, 3]],
  ['token', 'teal', [10, 3, 2, 3]],
  ['credentials', 'pink', [4, 4]],
];

/** What went well lies at the bottom, so that trouble stands out on top. */
const OUTCOME_SERIES: readonly (readonly [string, Colour])[] = [
  ['internal_error', 'red'],
  ['overloaded', 'red'],
  ['refused', 'red'],
  ['would_refuse', 'pink'],
  ['admitted_unpinned', 'orange'],
  ['not_recorded', 'violet'],
  ['would_pin', 'teal'],
  ['pinned', 'blue'],
];
const QUIET = ['nothing_to_pin', 'left_alone', 'ignored', 'mirror_pod', 'invalid_pod', 'invalid_review'];

/** The three charts, in the order of the page. */
export function makeCharts(): readonly Chart[] {
  return [
    new Chart({
      title: 'Cache hit ratio',
      hint: 'Looks that asked nobody anew. A new revision asks what its tag means now, on purpose: a miss of “tag”.',
      format: percent,
      max: 1,
      series: CACHE_SERIES.map(([cache, colour, dash]) => ({
        name: cache,
        colour,
        ...(dash === undefined ? {} : { dash }),
        valueOf: ({ hitRatios }: Point) => hitRatios[cache],
      })),
    }),
    new Chart({
      title: 'Admissions per minute',
      hint: 'By outcome; troubles lie on top.',
      format: (value) => count(Math.round(value * 10) / 10),
      isStacked: true,
      series: [
        ...OUTCOME_SERIES.map(([outcome, colour]): Series => ({
          name: word(OUTCOMES, outcome),
          colour,
          valueOf: ({ admissions }) => admissions[outcome],
        })),
        { name: 'other', colour: 'grey', valueOf: othersOf },
      ],
    }),
    new Chart({
      title: 'Latency',
      hint: 'From the arrival of an admission request to its answer.',
      format: milliseconds,
      series: [
        { name: 'p99', colour: 'orange', dash: [8, 4], valueOf: ({ latencyMs }) => latencyMs?.p99 },
        { name: 'p50', colour: 'blue', valueOf: ({ latencyMs }) => latencyMs?.p50 },
      ],
    }),
  ];
}

function othersOf({ admissions }: Point): number | undefined {
  const sum = QUIET.reduce((total, outcome) => total + (admissions[outcome] ?? 0), 0);
  return sum === 0 ? undefined : sum;
}
