import { element } from './element.ts';
import type { Known } from './feed.ts';
import { count, milliseconds, percent } from './words.ts';

interface Tile {
  readonly name: string;
  readonly value: string;
  readonly detail: string;
}

/** Fills the list of the few numbers that matter most. */
export function fillTiles(list: HTMLElement, known: Known): void {
  list.replaceChildren(
    ...tilesOf(known).map(({ name, value, detail }) =>
      element('div', {}, [
        element('dt', {}, name),
        element('dd', {}, value),
        element('dd', { class: 'detail' }, detail),
      ]),
    ),
  );
}

function tilesOf({ admissions, caches, pinsCreated, points }: Known): Tile[] {
  const all = Object.values(admissions).reduce((sum, value) => sum + value, 0);
  const refused = admissions['refused'] ?? 0;
  const looks = caches['pin'] ?? {};
  const lookCount = Object.values(looks).reduce((sum, value) => sum + value, 0);
  // Whoever shares an answer asks for nothing: the ratio of Grafana and of the alert.
  const hits = lookCount - (looks['miss'] ?? 0);
  const latency = points.at(-1)?.latencyMs;
  return [
    { name: 'Admissions', value: count(all), detail: 'requests answered' },
    { name: 'Pinned', value: count(admissions['pinned'] ?? 0), detail: 'Pods that run by digest' },
    { name: 'Refused', value: count(refused), detail: refused === 0 ? 'no Pod' : 'reasons: see below' },
    {
      name: 'Pin cache hits',
      value: lookCount === 0 ? '–' : percent(hits / lookCount),
      detail: `${count(hits)} of ${count(lookCount)} looks`,
    },
    { name: 'Revisions born', value: count(pinsCreated), detail: 'pins written by this process' },
    {
      name: 'Latency p50',
      value: latency === undefined ? '–' : milliseconds(latency.p50),
      detail:
        latency === undefined ? 'none in the last minute' : `p99 ${milliseconds(latency.p99)}, last minute`,
    },
  ];
}
