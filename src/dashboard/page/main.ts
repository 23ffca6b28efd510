import type { ShownProcess } from '../state.ts';
import { makeCharts } from './charts.ts';
import { byId, element } from './element.ts';
import { follow, type Known } from './feed.ts';
import { movesTable, outcomesTable, pinsTable, refusalsTable, registriesTable } from './lists.ts';
import { fillTiles } from './tiles.ts';
import { clockSeconds, date, duration } from './words.ts';

const charts = makeCharts();
const tables = {
  pins: pinsTable(),
  refusals: refusalsTable(),
  moves: movesTable(),
  registries: registriesTable(),
  outcomes: outcomesTable(),
};
byId('charts').append(...charts.map((chart) => chart.element));
for (const [id, table] of Object.entries(tables)) byId(id).append(table.element);

let shownVersion: string | undefined;

function show(known: Known): void {
  const { process, nowMs, admissions, registries, points, recent } = known;
  sayConnection('live', 'Live');
  fillTiles(byId('tiles'), known);
  for (const chart of charts) chart.draw(points, nowMs);
  tables.registries.fill(registries);
  const lastMinute = points.at(-1)?.admissions ?? {};
  tables.outcomes.fill(
    Object.entries(admissions)
      .map(([outcome, count]) => ({ outcome, count, lastMinute: lastMinute[outcome] ?? 0 }))
      .toSorted((a, b) => b.count - a.count),
  );
  sayProcess(process, nowMs);
  // What did not change stays, with what is selected in it.
  const version = `${process.name} ${process.since} ${recent.version}`;
  if (version === shownVersion) return;
  shownVersion = version;
  tables.pins.fill(recent.pins);
  tables.refusals.fill(recent.refusals);
  tables.moves.fill(recent.tagMoves);
}

function sayProcess({ name, namespace, version, since }: ShownProcess, nowMs: number): void {
  const started = Date.parse(since);
  document.title = `${name} · samebytes`;
  byId('process').replaceChildren(
    'One webhook process: ',
    element('strong', {}, namespace === undefined ? name : `${namespace}/${name}`),
    `, version ${version}, since ${date(started)} (${duration(nowMs - started)}). Other processes have their own numbers.`,
  );
}

let lastAnswer = '';

/** Changed only where it says something new: a screen reader reads it out. */
function sayConnection(is: 'live' | 'lost', text: string): void {
  if (is === 'live') lastAnswer = clockSeconds(Date.now());
  const connection = byId('connection');
  if (connection.dataset['is'] === is) return;
  connection.dataset['is'] = is;
  connection.textContent = text;
}

void follow({
  onKnown: show,
  onOtherVersion: () => location.reload(),
  onLost: () =>
    sayConnection(
      'lost',
      lastAnswer === '' ? 'No answer: trying again' : `Connection lost at ${lastAnswer}: trying again`,
    ),
});
