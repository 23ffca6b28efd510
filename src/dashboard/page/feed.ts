import type { Point, Recent, State } from '../state.ts';

/** Everything that is known now: the latest state, with the points and lists of earlier ones. */
export type Known = Omit<State, 'points' | 'recent'> & {
  readonly points: readonly Point[];
  readonly recent: Recent;
};

export interface FeedOptions {
  readonly onKnown: (known: Known) => void;
  /** A process of another version answers now, whose answers this page may not understand. */
  readonly onOtherVersion: () => void;
  /** The process does not answer; it is asked again and again. */
  readonly onLost: () => void;
}

const EVERY_MS = 1_000;
const TIMEOUT_MS = 4_000;
const KEPT_MS = 15 * 60_000;
const NOTHING: Recent = { version: -1, pins: [], refusals: [], tagMoves: [] };

/** Asks the process once a second for what is new, for ever. After a break it goes on where it was. */
export async function follow({ onKnown, onOtherVersion, onLost }: FeedOptions): Promise<never> {
  let known: Known | undefined;
  for (;;) {
    const started = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one after another is the point
    const state = await ask(known).catch(() => undefined);
    if (state === undefined) onLost();
    else if (known === undefined || isSameProcess(known, state)) {
      known = joined(known, state);
      onKnown(known);
    } else {
      if (known.process.version !== state.process.version) onOtherVersion();
      // Another process knows nothing of what we have: the next question starts anew.
      known = undefined;
    }
    const pauseMs = Math.max(0, EVERY_MS - (performance.now() - started));
    // oxlint-disable-next-line no-await-in-loop -- see above
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function ask(known: Known | undefined): Promise<State> {
  const query = new URLSearchParams();
  const lastPoint = known?.points.at(-1);
  if (lastPoint !== undefined) query.set('point', String(lastPoint.atMs));
  if (known !== undefined) query.set('version', String(known.recent.version));
  const response = await fetch(`state?${String(query)}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const state: State = await response.json();
  return state;
}

function isSameProcess(known: Known, { process }: State): boolean {
  return known.process.name === process.name && known.process.since === process.since;
}

function joined(known: Known | undefined, { points, recent, ...state }: State): Known {
  // The process's clock may have been set back: what it tells anew goes before what was known.
  const untilMs = points[0]?.atMs ?? Infinity;
  const kept = (known?.points ?? []).filter(
    ({ atMs }) => atMs > state.nowMs - KEPT_MS && atMs < untilMs && atMs <= state.nowMs,
  );
  return { ...state, points: [...kept, ...points], recent: recent ?? known?.recent ?? NOTHING };
}
