import { cpus, loadavg } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { CASES, FULL, QUICK } from './cases.ts';
import type { Row } from './measure.ts';
import { FULL_STEPS, measureMemory, QUICK_STEPS, type MemoryRow } from './memory.ts';
import { Rig, type Webhook } from './rig.ts';
import { legend, loadTable, memoryTable, verdictLines } from './table.ts';
import { verdicts } from './targets.ts';

// samebytes beside a webhook that does nothing, and beside others. CONTRIBUTING.md says how to run it.

interface Flags {
  readonly peer: readonly Webhook[];
  readonly only?: readonly string[];
  readonly quick?: true;
  readonly json?: true;
  readonly cluster?: true;
  readonly profile?: string;
}

const MEMORY = 'memory';

const program = new Command('bench')
  .description('measures samebytes beside a webhook that does nothing, and beside others')
  .option(
    '--peer <name=url>',
    'a webhook on loopback that takes the same AdmissionReview; may be repeated',
    addPeer,
    [],
  )
  .option('--only <cases>', `some cases: ${[...CASES.map(({ name }) => name), MEMORY].join(', ')}`, caseNames)
  .option('--quick', 'just enough of everything to see that it works')
  .option('--json', 'everything as JSON, alone on standard output')
  .option('--cluster', 'instead: scale a Deployment on a real control plane, with and without samebytes')
  .option('--profile <directory>', 'write the CPU profiles of samebytes and of the null webhook there')
  .showHelpAfterError()
  .parse();
await main(program.opts<Flags>());

async function main(flags: Flags): Promise<void> {
  if (flags.cluster) {
    const { benchCluster } = await import('./cluster.ts');
    return benchCluster(flags, say);
  }
  const startLoad = loadavg();
  const rig = await Rig.start();
  try {
    const rows = await measureCases(rig, flags);
    const memory = isWanted(flags, MEMORY)
      ? await measureMemory(rig, flags.quick ? QUICK_STEPS : FULL_STEPS, say)
      : [];
    print(flags, rows, memory, startLoad);
  } finally {
    await rig.stop();
  }
}

async function measureCases(rig: Rig, flags: Flags): Promise<Row[]> {
  const cases = CASES.filter(({ name }) => isWanted(flags, name));
  if (cases.length === 0) return [];
  const profiling = flags.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', flags.profile];
  const stage = {
    rig,
    null: await rig.startNull(profiling),
    samebytes: await rig.startSamebytes(profiling),
    peers: flags.peer,
    scale: flags.quick ? QUICK : FULL,
  };
  const rows: Row[] = [];
  for (const { name, title, run } of cases) {
    say(`${name}: ${title}`);
    rows.push(...(await run(stage)));
  }
  await stage.samebytes.stop();
  return rows;
}

function print(flags: Flags, rows: readonly Row[], memory: readonly MemoryRow[], startLoad: number[]): void {
  const [cpu] = cpus();
  const machine = {
    cpus: cpus().length,
    model: cpu?.model ?? '',
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    loadAverageAtStart: startLoad[0] ?? 0,
    loadAverageAtEnd: loadavg()[0] ?? 0,
  };
  const judged = verdicts(rows, memory);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ machine, rows, memory, verdicts: judged }, undefined, 2)}\n`);
    return;
  }
  const { cpus: count, model, node, platform, loadAverageAtStart, loadAverageAtEnd } = machine;
  const parts = [
    `${count} CPUs (${model}), ${platform}, Node.js ${node}, load average ${loadAverageAtStart.toFixed(2)} before and ${loadAverageAtEnd.toFixed(2)} after`,
    ...(rows.length > 0 ? [loadTable(rows), legend(rows)] : []),
    ...(memory.length > 0 ? [memoryTable(memory)] : []),
    verdictLines(judged),
  ];
  process.stdout.write(`\n${parts.join('\n\n')}\n`);
}

function isWanted({ only }: Flags, name: string): boolean {
  return only === undefined || only.includes(name);
}

/** Progress is no result. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function caseNames(text: string): string[] {
  const names = text.split(',');
  const known = new Set([...CASES.map(({ name }) => name), MEMORY]);
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new InvalidArgumentError(`no such case: ${unknown.join(', ')}`);
  return names;
}

function addPeer(text: string, peers: readonly Webhook[]): readonly Webhook[] {
  const [, name, url] = /^([^=]+)=(https:\/\/.+)$/.exec(text) ?? [];
  if (name === undefined || url === undefined || !URL.canParse(url)) {
    throw new InvalidArgumentError('write NAME=https://127.0.0.1:PORT/PATH');
  }
  // The load generator checks no certificate: that is fine on this machine only.
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)) {
    throw new InvalidArgumentError('peers run on loopback only');
  }
  return [...peers, { name, url }];
}
