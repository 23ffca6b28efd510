// How the page words what the process sends.

/** What an admission came to, in a few words; docs/outcomes.md says more. */
export const OUTCOMES: Readonly<Record<string, string>> = {
  pinned: 'pinned',
  nothing_to_pin: 'nothing to pin',
  left_alone: 'left alone',
  not_recorded: 'pinned, not recorded',
  admitted_unpinned: 'admitted by tag',
  refused: 'refused',
  would_pin: 'audit: would pin',
  would_refuse: 'audit: would refuse',
  ignored: 'ignored',
  mirror_pod: 'static Pod',
  invalid_pod: 'not a Pod',
  internal_error: 'fault in samebytes',
  overloaded: 'no time or room',
  invalid_review: 'not a review',
};

/** Where a digest came from. */
export const SOURCES: Readonly<Record<string, string>> = {
  registry: 'the registry, asked anew',
  pin: "the revision's pin",
  pod: "the Pod's own record",
  sibling: 'Pods that ran already',
  cache: 'the tag cache',
};

export const KINDS: Readonly<Record<string, string>> = {
  audit: 'audit: nothing was changed',
  dry_run: 'dry run: nothing was recorded',
};

export const HEALTH: Readonly<Record<string, { readonly text: string; readonly mood: string }>> = {
  answers: { text: 'answers', mood: 'good' },
  some_fail: { text: 'some requests fail', mood: 'odd' },
  fails: { text: 'fails', mood: 'bad' },
  throttles: { text: 'throttles us', mood: 'odd' },
  not_asked: { text: 'not asked yet', mood: 'quiet' },
};

/** The word for a name; a name without one, as from a newer process, stands for itself. */
export function word(words: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(words, name) ? (words[name] ?? name) : name.replaceAll('_', ' ');
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const CLOCK_SECONDS = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const COUNT = new Intl.NumberFormat(undefined);
const PERCENT = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 });

export const clock = (ms: number): string => CLOCK.format(ms);
export const clockSeconds = (ms: number): string => CLOCK_SECONDS.format(ms);
export const date = (ms: number): string => DATE.format(ms);
export const count = (value: number): string => COUNT.format(value);
export const percent = (value: number): string => PERCENT.format(value);

/** Milliseconds with the digits that matter. */
export function milliseconds(value: number): string {
  const digits = value === 0 || value >= 10 ? 0 : 1;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(digits)} ms`;
}

/** How long something lasted, roughly: `12 s`, `5 min`, `3 h`, `2 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 2 * 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
