/** What a process has used so far, as it says itself at `/metrics`. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  readonly heapMiB: number;
}

const MIB = 1024 * 1024;

export async function readUsage(healthPort: number): Promise<Usage> {
  const text = await readMetrics(healthPort);
  return {
    cpuSeconds: sampleOf(text, 'process_cpu_seconds_total'),
    rssMiB: sampleOf(text, 'process_resident_memory_bytes') / MIB,
    heapMiB: sampleOf(text, 'nodejs_heap_size_used_bytes') / MIB,
  };
}

export async function readMetrics(healthPort: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${healthPort}/metrics`);
  return answer.text();
}

/** The value of one sample of the exposition text. @throws where it is not there. */
export function sampleOf(text: string, sample: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
  if (line === undefined) throw new Error(`no sample ${sample}`);
  return Number(line.slice(sample.length + 1));
}
