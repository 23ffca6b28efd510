import { FAR_MS } from './cases.ts';
import type { MemoryRow } from './memory.ts';
import type { Row } from './measure.ts';

/** One target of the design's section on speed, and whether it was reached. */
export interface Verdict {
  readonly target: string;
  /** Undefined where it was not measured. */
  readonly isMet: boolean | undefined;
  readonly measured: string;
}

const MIN_THROUGHPUT = 0.8;
const MAX_P50 = 1.25;
const MAX_ROUND_TRIPS = 2;
const MAX_REQUESTS_PER_IMAGE = 2;
const MAX_LOADED_MIB = 40;
const MAX_FILLED_MIB = 60;
/** Heap that may come and go between two collections, in MiB: not growth. */
const FLAT_MIB = 8;

/** Every target in the order of the design, met, missed or not measured. */
export function verdicts(rows: readonly Row[], memory: readonly MemoryRow[]): Verdict[] {
  const row = (name: string, webhook = 'samebytes'): Row | undefined =>
    rows.find((each) => each.name === name && each.webhook.startsWith(webhook));
  return [
    asWarm('warm admission: throughput >= 0.8 and p50 <= 1.25 of the null webhook', row('warm')),
    roundTrips(`1 image, registry ${FAR_MS} ms away: first <= 2 round trips`, row('birth'), 1),
    asWarm('1 image: then as warm', row('warm-far')),
    roundTrips(`10 images, registry ${FAR_MS} ms away: first <= 2 round trips in all`, row('birth-10'), 10),
    asWarm('10 images: then as warm', row('warm-10')),
    requests(row('two-processes')),
    loaded(rows),
    filled(memory),
    flat(memory),
  ];
}

function asWarm(target: string, row: Row | undefined): Verdict {
  if (row?.toNull === undefined) return notMeasured(target);
  const { perSecond, p50 } = row.toNull;
  const isMet = row.pinned === row.requests && perSecond >= MIN_THROUGHPUT && p50 <= MAX_P50;
  return { target, isMet, measured: `${perSecond.toFixed(2)} and ${p50.toFixed(2)}` };
}

/** The registry's delay is what a round trip costs; the rest of the time is ours, and counts. */
function roundTrips(target: string, row: Row | undefined, images: number): Verdict {
  if (row === undefined) return notMeasured(target);
  const trips = row.p50Ms / FAR_MS;
  const perImage = row.registryRequests / (row.requests * images);
  const isMet = row.pinned === row.requests && trips <= MAX_ROUND_TRIPS && perImage <= MAX_ROUND_TRIPS;
  return {
    target,
    isMet,
    measured: `p50 of ${trips.toFixed(2)} round trips, ${perImage.toFixed(2)} requests per image`,
  };
}

function requests(row: Row | undefined): Verdict {
  const target = 'registry requests, Pods of one revision, 2 webhook processes: <= 2 per image';
  if (row === undefined) return notMeasured(target);
  const isMet = row.pinned === row.requests && row.mostPerImage <= MAX_REQUESTS_PER_IMAGE;
  return { target, isMet, measured: `${row.mostPerImage} for ${row.requests} Pods` };
}

/** V8 takes memory by and by: the most of all loads that both got, since either may have less after the first. */
function loaded(rows: readonly Row[]): Verdict {
  const target = `memory under load: null webhook + ${MAX_LOADED_MIB} MiB`;
  const most = (name: string): number =>
    Math.max(
      ...rows.filter(isWarm).flatMap(({ webhook, rssMiB }) => (webhook === name ? (rssMiB ?? []) : [])),
    );
  const moreMiB = most('samebytes') - most('null');
  if (!Number.isFinite(moreMiB)) return notMeasured(target);
  return { target, isMet: moreMiB <= MAX_LOADED_MIB, measured: `+ ${moreMiB.toFixed(0)} MiB` };
}

function isWarm({ name }: Row): boolean {
  return name.startsWith('warm');
}

function filled(memory: readonly MemoryRow[]): Verdict {
  const target = `memory after 50,000 revisions and 20,000 tags: null webhook + ${MAX_FILLED_MIB} MiB`;
  const [row] = memory.filter(({ revisions }) => revisions === 50_000);
  if (row === undefined) return notMeasured(target);
  const moreMiB = row.rssMiB - row.nullRssMiB;
  return {
    target,
    isMet: row.failed === 0 && moreMiB <= MAX_FILLED_MIB,
    measured: `+ ${moreMiB.toFixed(0)} MiB${without(row)}`,
  };
}

function flat(memory: readonly MemoryRow[]): Verdict {
  const target = 'memory after that: flat';
  const at = memory.find(({ revisions }) => revisions === 50_000);
  const beyond = memory.find(({ revisions }) => revisions > 50_000);
  if (at === undefined || beyond === undefined) return notMeasured(target);
  const moreMiB = beyond.heapMiB - at.heapMiB;
  const measured = `heap after collection ${moreMiB >= 0 ? '+' : '-'} ${Math.abs(moreMiB).toFixed(1)} MiB after ${beyond.revisions} revisions${without(beyond)}`;
  return { target, isMet: beyond.failed === 0 && moreMiB <= FLAT_MIB, measured };
}

/** Revisions that were not born take no memory. */
function without({ failed }: MemoryRow): string {
  return failed === 0 ? '' : `, without ${failed} that failed`;
}

function notMeasured(target: string): Verdict {
  return { target, isMet: undefined, measured: 'not measured' };
}
