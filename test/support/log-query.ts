import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { ChildProcess } from './child-process.ts';

const PAGE = new URL('../../docs/logs.md', import.meta.url);

/** Whether jq is on this machine; .ci/run sees to it that it is. */
export const hasJq = spawnSync('jq', ['--version']).status === 0;

/** The jq program of docs/logs.md that answers what ran at an instant. */
export async function whatRanProgram(): Promise<string> {
  const page = await readFile(PAGE, 'utf8');
  const [, program] = /^jq -nRr --arg at \S+ '\n([^']+)' /m.exec(page) ?? [];
  if (program === undefined) throw new Error('docs/logs.md has no such query');
  return program;
}

/** What these lines of the log say that ran at an instant: the documented query, by the real jq. @throws where there is none. */
export async function ranAt(log: string, at: string): Promise<string> {
  const args = ['-nRr', '--arg', 'at', at, await whatRanProgram()];
  const { code, stdout, stderr } = await new ChildProcess({ command: 'jq', args, input: log }).exited;
  if (code !== 0) throw new Error(`jq ended with ${String(code)}: ${stderr}`);
  return stdout;
}
