import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

interface Row {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
}

async function rows(): Promise<Row[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'state=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, parent, state = '']) => ({ pid: Number(pid), parent: Number(parent), state }));
}

/** All processes that a process started, and those that they started, as far as they still run. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const all = (await rows()).filter(({ state }) => !isGone(state));
  const found = [pid];
  for (const parent of found) found.push(...all.filter((row) => row.parent === parent).map((row) => row.pid));
  return found.slice(1);
}

/** Whether a process runs no more; one that nobody has asked about yet is left in the table as a zombie. */
export async function hasEnded(pid: number): Promise<boolean> {
  const row = (await rows()).find((each) => each.pid === pid);
  return row === undefined || isGone(row.state);
}

function isGone(state: string): boolean {
  return state.startsWith('Z') || state.startsWith('X');
}
