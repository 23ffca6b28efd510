import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { ChildProcess } from '../support/child-process.ts';
import { hasEnded } from '../support/process-table.ts';
import { until } from '../support/until.ts';

const STARTER = fileURLToPath(new URL('../support/child-starter-main.js', import.meta.url));

test.each(['SIGKILL', 'SIGINT'] as const)(
  'what tests started ends after them where %s ends them, also what does not want to',
  async (signal) => {
    const starter = new ChildProcess({ command: process.execPath, args: [STARTER] });
    const [, pids = ''] = await starter.printed(/^children ([\d ]+)$/m);
    const children = pids.split(' ').map(Number);
    expect(await Promise.all(children.map(hasEnded))).toEqual([false, false]);
    starter.signal(signal);
    expect(await starter.exited).toMatchObject({ code: null, signal });
    try {
      await until('them to end', async () => (await Promise.all(children.map(hasEnded))).every(Boolean));
    } finally {
      for (const pid of children) if (!(await hasEnded(pid))) process.kill(pid, 'SIGKILL');
    }
  },
  90_000,
);
