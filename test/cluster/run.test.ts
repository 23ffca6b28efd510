import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { ChildProcess } from '../support/child-process.ts';
import { descendantsOf, hasEnded } from '../support/process-table.ts';
import { until } from '../support/until.ts';

const RUN = fileURLToPath(new URL('../support/cluster/run.ts', import.meta.url));

test('`npm run cluster` leaves no process and no file behind after Ctrl-C', async () => {
  const run = new ChildProcess({ command: process.execPath, args: [RUN] });
  try {
    const [, kubeconfig = ''] = await run.printed(/export KUBECONFIG=(\S+)[\s\S]*Ctrl-C stops everything/);
    expect(existsSync(kubeconfig)).toBe(true);
    const started = await descendantsOf(run.pid);
    // etcd, API server, controller manager, scheduler, kwok, registry, two webhook processes, and the reaper.
    expect(started.length).toBeGreaterThanOrEqual(9);
    // Under npm it comes twice.
    run.signal('SIGINT');
    run.signal('SIGINT');
    expect(await run.exited).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(dirname(kubeconfig))).toBe(false);
    await until('everything to end', async () => (await Promise.all(started.map(hasEnded))).every(Boolean));
  } finally {
    await run.stop();
  }
});
