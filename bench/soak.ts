import { Command, InvalidArgumentError } from 'commander';
import { bear } from './cases.ts';
import type { LoadResult } from './load.ts';
import { collectedHeapMiB } from './memory.ts';
import { Rig, type SamebytesWebhook } from './rig.ts';
import { table } from './table.ts';

// Births, replicas, refusals and new connections, for as long as one likes; what the heap holds after a collection must
// not grow once every cache is as full as it gets. Ends with status 1 where it does.

interface Sample {
  readonly minute: number;
  readonly heapMiB: number;
  readonly rssMiB: number;
  readonly requests: number;
}

/** Small caches are full within seconds; then nothing may grow any more. */
const MAX_REVISIONS = 500;
const MAX_TAGS = 200;
const REVISIONS_A_ROUND = 300;
/** After an outage the registry is left alone for some seconds, and nothing is born. */
const ROUNDS_AN_OUTAGE = 5;
/** The first part of the time fills caches and compiles code. */
const WARM_UP = 0.4;
/** Wide, since code, sockets and buffers come and go: a leak of one entry per admission is many times that. */
const MAX_GROWTH_MIB = 10;

const program = new Command('soak')
  .description('shows that memory does not grow')
  .option('--seconds <seconds>', 'how long (30 minutes)', seconds, 1_800)
  .parse();
await main(program.opts<{ seconds: number }>().seconds);

async function main(secondsToRun: number): Promise<void> {
  const settings = { pins: { maxRevisions: MAX_REVISIONS }, resolver: { maxTags: MAX_TAGS } };
  const rig = await Rig.start(settings);
  try {
    const samples = await soak(rig, secondsToRun);
    report(samples);
  } finally {
    await rig.stop();
  }
}

async function soak(rig: Rig, secondsToRun: number): Promise<Sample[]> {
  const samebytes = await rig.startSamebytes();
  const { url } = samebytes;
  const samples: Sample[] = [];
  const startedAt = performance.now();
  const elapsed = (): number => (performance.now() - startedAt) / 1_000;
  let requests = 0;
  for (let round = 0; elapsed() < secondsToRun; round += 1) {
    const revisions = REVISIONS_A_ROUND;
    const births = { seed: `round ${round}`, revisions, containers: 2, tags: 1_000, from: round * revisions };
    const replicas = { seed: 'replicas', revisions: 10, containers: 2, tags: 10 };
    const loads = [
      await rig.load({ url, pods: births, requests: revisions, atOnce: 16 }),
      await rig.load({ url, pods: replicas, requests: 500, atOnce: 8 }),
      await rig.load({ url, pods: replicas, requests: 20, atOnce: 20, newConnections: true }),
    ];
    expectAll(`round ${round}`, loads, ({ pinned }) => pinned);
    requests +=
      requestsOf(loads) + (round % ROUNDS_AN_OUTAGE === 0 ? await outage(rig, samebytes, round) : 0);
    const usage = await samebytes.usage();
    const heapMiB = await collectedHeapMiB(samebytes);
    samples.push({ minute: elapsed() / 60, heapMiB, rssMiB: usage.rssMiB, requests });
  }
  return samples;
}

/** Births while the registry is down: refused. Ends when its breaker is closed: else the next round would bear nothing. */
async function outage(rig: Rig, samebytes: SamebytesWebhook, round: number): Promise<number> {
  const pods = { revisions: 50, containers: 2, tags: 1_000 };
  await rig.registry.call('stop');
  const { url } = samebytes;
  const load = await rig.load({
    url,
    pods: { ...pods, seed: `refused ${round}` },
    requests: pods.revisions,
    atOnce: 8,
  });
  await rig.registry.call('start');
  expectAll(`the outage of round ${round}`, [load], ({ denied }) => denied);
  await bear({ rig, samebytes }, { ...pods, seed: `after ${round}`, revisions: 1 });
  return load.requests;
}

function requestsOf(loads: readonly LoadResult[]): number {
  return loads.reduce((total, { requests }) => total + requests, 0);
}

/** Memory that does not grow says nothing where the work was not done. */
function expectAll(when: string, loads: readonly LoadResult[], done: (load: LoadResult) => number): void {
  for (const load of loads) {
    if (done(load) === load.requests) continue;
    const { requests, pinned, denied, failed } = load;
    throw new Error(
      `of ${requests} requests in ${when} ${pinned} were pinned, ${denied} denied, ${failed} not answered`,
    );
  }
}

function report(samples: readonly Sample[]): void {
  const late = samples.slice(Math.floor(samples.length * WARM_UP));
  const shown = samples.filter((_sample, index) => index % Math.ceil(samples.length / 20) === 0);
  const rows = shown.map(({ minute, heapMiB, rssMiB, requests }) => [
    minute.toFixed(1),
    heapMiB.toFixed(1),
    rssMiB.toFixed(0),
    String(requests),
  ]);
  process.stdout.write(`${table(['minute', 'heap MiB after collection', 'RSS MiB', 'requests'], rows)}\n\n`);
  const minutes = (late.at(-1)?.minute ?? 0) - (late[0]?.minute ?? 0);
  const growthMiB = slope(late) * minutes;
  const isFlat = late.length >= 3 && growthMiB <= MAX_GROWTH_MIB;
  const word = isFlat ? 'FLAT' : 'GROWS';
  process.stdout.write(
    `${word}: ${growthMiB.toFixed(1)} MiB in the last ${minutes.toFixed(1)} minutes, by the slope of ${late.length} samples (at most ${MAX_GROWTH_MIB})\n`,
  );
  if (!isFlat) process.exitCode = 1;
}

/** MiB per minute, by least squares. */
function slope(samples: readonly Sample[]): number {
  const mean = (value: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + value(sample), 0) / samples.length;
  const [x, y] = [mean(({ minute }) => minute), mean(({ heapMiB }) => heapMiB)];
  const covariance = mean(({ minute, heapMiB }) => (minute - x) * (heapMiB - y));
  const variance = mean(({ minute }) => (minute - x) ** 2);
  return variance === 0 ? 0 : covariance / variance;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('write a number of seconds');
  return value;
}
