import { setTimeout as pause } from 'node:timers/promises';
import { median } from './measure.ts';
import type { OwnWebhook, Rig, SamebytesWebhook } from './rig.ts';
import { readMetrics, sampleOf } from './usage.ts';

/** What a process holds after so many revisions. */
export interface MemoryRow {
  readonly revisions: number;
  readonly tags: number;
  readonly seconds: number;
  /** Of the operating system, which gets little back: the median of some looks. */
  readonly rssMiB: number;
  /** Of the heap, after a collection. */
  readonly heapMiB: number;
  /** The null webhook's after the same requests. */
  readonly nullRssMiB: number;
  /** Median of replicas of one known revision meanwhile. */
  readonly warmP50Ms: number;
  readonly failed: number;
}

const AT_ONCE = 32;
const TAGS = 20_000;
const CHUNK = 5_000;
/** What is kept by default (pins.maxRevisions), and half as much again. */
export const FULL_STEPS = [1_000, 10_000, 50_000, 75_000];
export const QUICK_STEPS = [100, 200];
const MIB = 1024 * 1024;
/** What a process has differs by ten megabytes from one collection of its garbage to the next. */
const RSS_LOOKS = 11;
const HEAP_LOOKS = 3;
const LOOK_MS = 200;

/** Lets one process bear revision after revision, and notes what it holds at each step. */
export async function measureMemory(
  rig: Rig,
  steps: readonly number[],
  say: (line: string) => void,
): Promise<MemoryRow[]> {
  const samebytes = await rig.startSamebytes();
  const nothing = await rig.startNull();
  const rows: MemoryRow[] = [];
  let failed = 0;
  let revisions = 0;
  let seconds = 0;
  for (const step of steps) {
    while (revisions < step) {
      const requests = Math.min(CHUNK, step - revisions);
      const pods = { seed: 'memory', revisions: requests, from: revisions, containers: 1, tags: TAGS };
      const load = { pods, requests, atOnce: AT_ONCE };
      const born = await rig.load({ ...load, url: samebytes.url });
      await rig.load({ ...load, url: nothing.url });
      failed += requests - born.pinned;
      seconds += born.seconds;
      revisions += requests;
    }
    rows.push(await row(rig, samebytes, nothing, { revisions, seconds, failed }));
    say(`${revisions} revisions`);
  }
  await samebytes.stop();
  return rows;
}

async function row(
  rig: Rig,
  samebytes: SamebytesWebhook,
  nothing: OwnWebhook,
  so: Pick<MemoryRow, 'revisions' | 'seconds' | 'failed'>,
): Promise<MemoryRow> {
  const pods = { seed: 'memory', revisions: 1, from: so.revisions - 1, containers: 1, tags: TAGS };
  const seen = { rss: [] as number[], nullRss: [] as number[], warm: [] as number[] };
  for (let look = 0; look < RSS_LOOKS; look += 1) {
    const load = { pods, requests: 500, atOnce: 8 };
    const warm = await rig.load({ ...load, url: samebytes.url });
    await rig.load({ ...load, url: nothing.url });
    const [used, nullUsed] = [await samebytes.usage(), await nothing.usage()];
    seen.rss.push(used.rssMiB);
    seen.nullRss.push(nullUsed.rssMiB);
    seen.warm.push(warm.p50Ms);
  }
  return {
    ...so,
    tags: Math.min(TAGS, so.revisions),
    rssMiB: median(seen.rss),
    heapMiB: await collectedHeapMiB(samebytes),
    nullRssMiB: median(seen.nullRss),
    warmP50Ms: median(seen.warm),
  };
}

/** What the heap holds: the least of some looks, each after a collection. */
export async function collectedHeapMiB({ healthPort, collect }: SamebytesWebhook): Promise<number> {
  const seen: number[] = [];
  for (let look = 0; look < HEAP_LOOKS; look += 1) {
    collect();
    await pause(LOOK_MS);
    seen.push(sampleOf(await readMetrics(healthPort), 'nodejs_heap_size_used_bytes') / MIB);
  }
  return Math.min(...seen);
}
