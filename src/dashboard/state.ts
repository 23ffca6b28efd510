// What the page is sent. The page's own code imports these types, and nothing else from here.

/** The webhook process that a page shows. */
export interface ShownProcess {
  /** The Pod's name in a cluster, else the machine's. */
  readonly name: string;
  readonly namespace: string | undefined;
  readonly version: string;
  /** When it started, RFC 3339. */
  readonly since: string;
}

/** One moment of the charts: what the minute before it was like. */
export interface Point {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** By cache, 0 to 1: the looks that were no miss; a cache that nobody looked into is absent. */
  readonly hitRatios: Readonly<Record<string, number>>;
  /** How many, by outcome; those that did not happen are absent. */
  readonly admissions: Readonly<Record<string, number>>;
  /** Absent where nothing was admitted. */
  readonly latencyMs?: { readonly p50: number; readonly p99: number };
}

/** Whether a registry answers, by its last minute with requests. */
export type RegistryHealth = 'answers' | 'some_fail' | 'fails' | 'throttles' | 'not_asked';

export interface ShownRegistry {
  readonly registry: string;
  readonly health: RegistryHealth;
  /** Requests since the process started. */
  readonly requests: number;
  /** Of these, how many got no answer or a server error, or were throttled. */
  readonly failed: number;
  /** When it was last seen to be asked, in milliseconds since 1970. */
  readonly askedAtMs: number | undefined;
  /** Pulls left, where the registry says so. */
  readonly pullsRemaining: number | undefined;
  /** Parts of it that are not asked for a while, since they failed too often. */
  readonly breakersOpen: number;
}

/** Where it happened: to whom `kubectl describe` would lead. */
interface Place {
  readonly namespace: string;
  /** `ReplicaSet/web-5d8f`, or the Pod. */
  readonly owner: string;
}

interface Repeated {
  /** The last time, in milliseconds since 1970. */
  readonly atMs: number;
  /** How often the very same was seen. */
  readonly times: number;
}

/** A reference that Pods got a digest in place of. */
export interface ShownPin extends Place, Repeated {
  readonly container: string;
  readonly reference: string;
  readonly digest: string;
  /** Where the first of these Pods had it from. */
  readonly source: string;
  /** `audit` where it only would have been; `dry_run` where the API server was only asked. */
  readonly kind: 'real' | 'audit' | 'dry_run';
}

/** A Pod that was refused, or would have been, or runs by its tag though it should not. */
export interface ShownRefusal extends Place, Repeated {
  readonly outcome: string;
  readonly codes: readonly string[];
  /** What the Pod's author was told. */
  readonly message: string;
}

/** A tag that does not mean what it meant. */
export interface ShownTagMove extends Place, Repeated {
  readonly reference: string;
  readonly from: string;
  readonly to: string;
}

/** The lists, newest first. */
export interface Recent {
  /** Grows with every change. */
  readonly version: number;
  readonly pins: readonly ShownPin[];
  readonly refusals: readonly ShownRefusal[];
  readonly tagMoves: readonly ShownTagMove[];
}

/** Everything that the page shows, less what it said it has. */
export interface State {
  readonly process: ShownProcess;
  /** The process's clock, in milliseconds since 1970. */
  readonly nowMs: number;
  /** As /metrics counts them, since the process started. */
  readonly admissions: Readonly<Record<string, number>>;
  readonly caches: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly pinsCreated: number;
  readonly registries: readonly ShownRegistry[];
  /** The points after the one that the page has. */
  readonly points: readonly Point[];
  /** Absent where nothing changed since the version that the page has. */
  readonly recent?: Recent;
}
