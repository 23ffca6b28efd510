#!/usr/bin/env node
import { isatty } from 'node:tty';
import { Command } from 'commander';
import { addDashboard } from './commands/dashboard.ts';
import { addDemo } from './commands/demo.ts';
import { addResolve } from './commands/resolve.ts';
import { addServe } from './commands/serve.ts';
import { CommandError, type Surroundings } from './commands/surroundings.ts';
import { VERSION } from './commands/version.ts';

const outputClosed = new AbortController();
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' && stream === process.stderr) return;
    if (error.code === 'EPIPE') return outputClosed.abort(error);
    process.stderr.write(`samebytes: cannot write output (${error.code ?? error.message})\n`);
    process.exit(1);
  });
}

const surroundings: Surroundings = {
  env: process.env,
  input: { isTTY: isatty(0), read: () => process.stdin },
  output: {
    isTTY: process.stdout.isTTY,
    // Some terminals say that they have no columns at all.
    columns: process.stdout.columns || undefined,
    write: (text) => void process.stdout.write(text),
    closed: outputClosed.signal,
  },
  onStopSignal: (callback) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        // A second signal of the same kind ends the process at once, as without us.
        callback(signal);
      });
    }
  },
};

const program = new Command('samebytes')
  .description(
    'Pins image tags to digests at admission, once per revision, so that every replica runs the same bytes.',
  )
  .version(VERSION)
  .showHelpAfterError('(samebytes --help lists the commands)');
addServe(program, surroundings);
addResolve(program, surroundings);
addDashboard(program, surroundings);
addDemo(program, surroundings);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`samebytes: ${error.message}\n`);
  process.exitCode = 1;
}
