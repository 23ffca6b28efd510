import type { ShownPin, ShownRefusal, ShownRegistry, ShownTagMove } from '../state.ts';
import { element, time, type Content } from './element.ts';
import { Table } from './table.ts';
import { clockSeconds, count, date, HEALTH, KINDS, OUTCOMES, SOURCES, word } from './words.ts';

/** The lists hold more; these fit beside each other. */
const BAD_OUTCOMES: ReadonlySet<string> = new Set(['refused', 'internal_error', 'overloaded']);
const SHOWN_ROWS = 8;

/** One of the outcomes, with how often it was come to: ever, and in the last minute. */
export interface OutcomeCount {
  readonly outcome: string;
  readonly count: number;
  readonly lastMinute: number;
}

export const pinsTable = (): Table<ShownPin> =>
  new Table<ShownPin>({
    caption: 'The last pins: what Pods were written with and what they run instead',
    cards: true,
    shownRows: SHOWN_ROWS,
    none: 'No Pod was pinned yet.',
    columns: [
      { heading: 'Last', cell: ({ atMs }) => moment(atMs) },
      { heading: 'Owner', cell: place, isWide: true },
      { heading: 'Written as', cell: ({ reference, container }) => [code(reference), sub(container)] },
      {
        heading: 'Runs as',
        cell: (pin) => [
          digest(pin.digest),
          sub(`from ${word(SOURCES, pin.source)}`),
          ...(pin.kind === 'real' ? [] : [badge(word(KINDS, pin.kind), 'quiet')]),
        ],
      },
      { heading: 'Pods', cell: ({ times }) => count(times), isNumber: true },
    ],
  });

export const refusalsTable = (): Table<ShownRefusal> =>
  new Table<ShownRefusal>({
    caption: 'The last refusals: where, and what the author of the Pod was told',
    cards: true,
    shownRows: SHOWN_ROWS,
    none: 'Nothing was refused.',
    columns: [
      { heading: 'Last', cell: ({ atMs }) => moment(atMs) },
      { heading: 'Owner', cell: place, isWide: true },
      {
        heading: 'Outcome',
        cell: ({ outcome, codes }) => [
          badge(word(OUTCOMES, outcome), BAD_OUTCOMES.has(outcome) ? 'bad' : 'odd'),
          ...(codes.length === 0 ? [] : [element('span', { class: 'sub code' }, codes.join(', '))]),
        ],
      },
      { heading: 'Reason', cell: ({ message }) => text(message) },
      { heading: 'Times', cell: ({ times }) => count(times), isNumber: true },
    ],
  });

export const movesTable = (): Table<ShownTagMove> =>
  new Table<ShownTagMove>({
    caption: 'Tags that moved: from which digest to which, and whose Pods showed it',
    cards: true,
    shownRows: SHOWN_ROWS,
    none: 'No tag was seen to move.',
    columns: [
      { heading: 'Last', cell: ({ atMs }) => moment(atMs) },
      { heading: 'Seen by', cell: place, isWide: true },
      { heading: 'Tag', cell: ({ reference }) => code(reference) },
      { heading: 'Meant', cell: ({ from }) => digest(from) },
      { heading: 'Means now', cell: ({ to }) => digest(to) },
      { heading: 'Times', cell: ({ times }) => count(times), isNumber: true },
    ],
  });

export const registriesTable = (): Table<ShownRegistry> =>
  new Table<ShownRegistry>({
    caption: 'Registries: whether they answer, and how many pulls are left',
    cards: true,
    none: 'No registry was asked yet.',
    columns: [
      { heading: 'Registry', cell: ({ registry }) => code(registry), isWide: true },
      {
        heading: 'Health',
        cell: ({ health, breakersOpen, askedAtMs }) => [
          badge(HEALTH[health]?.text ?? health, HEALTH[health]?.mood ?? 'quiet'),
          ...(breakersOpen > 0 ? [' ', badge(`breaker open (${breakersOpen})`, 'bad')] : []),
          ...(askedAtMs === undefined ? [] : [element('span', { class: 'sub' }, ['at ', moment(askedAtMs)])]),
        ],
      },
      { heading: 'Requests', cell: ({ requests }) => count(requests), isNumber: true },
      { heading: 'Failed', cell: ({ failed }) => count(failed), isNumber: true },
      {
        heading: 'Pulls left',
        cell: ({ pullsRemaining }) => (pullsRemaining === undefined ? 'not told' : count(pullsRemaining)),
        isNumber: true,
      },
    ],
  });

export const outcomesTable = (): Table<OutcomeCount> =>
  new Table<OutcomeCount>({
    caption: 'Admissions since this process started, by outcome',
    none: 'No Pod came yet.',
    columns: [
      { heading: 'Outcome', cell: ({ outcome }) => outcomeName(outcome) },
      { heading: 'Last minute', cell: ({ lastMinute }) => count(lastMinute), isNumber: true },
      { heading: 'Admissions', cell: ({ count: value }) => count(value), isNumber: true },
    ],
  });

/** In words, and as metrics and log call it where that differs. */
function outcomeName(outcome: string): Content {
  const name = word(OUTCOMES, outcome);
  return name === outcome ? name : [name, element('span', { class: 'sub code' }, outcome)];
}

function place({ namespace, owner }: { readonly namespace: string; readonly owner: string }): Content {
  return owner === '' ? text('no revision') : [text(owner), sub(namespace)];
}

function moment(ms: number): HTMLElement {
  return time(ms, clockSeconds(ms), date(ms));
}

function code(content: string): HTMLElement {
  return element('code', {}, content);
}

function digest(content: string): HTMLElement {
  return element('code', { class: 'digest', title: content }, content);
}

function text(content: string): HTMLElement {
  return element('span', { class: 'text' }, content);
}

function sub(content: string): HTMLElement {
  return element('span', { class: 'sub text' }, content);
}

function badge(content: string, mood: string): HTMLElement {
  return element('span', { class: `badge ${mood}` }, content);
}
