/** What may be under way at once in a process, or wait, and how much: the label `limit` of its metrics. */
export const LIMITS = [
  'connections',
  'arriving_body_bytes',
  'read_body_bytes',
  'decisions',
  'decisions_waiting',
  'tags_asked',
  'registry_requests',
  'api_calls',
  'api_calls_waiting',
  'events_waiting',
  'tag_histories_waiting',
  'log_characters_waiting',
] as const;
export type LimitName = (typeof LIMITS)[number];

/** How much there is now of what is limited, and the most that there may be, in whatever is counted. */
export interface LimitState {
  readonly used: number;
  readonly max: number;
}

/** A limit whose use is asked for whenever somebody looks. */
export function limitOf(used: () => number, max: number): LimitState {
  return {
    get used() {
      return used();
    },
    max,
  };
}

/** Limits by name, to be looked at when metrics are asked for. */
export type WatchedLimits = Readonly<Partial<Record<LimitName, LimitState>>>;
