#!/usr/bin/env node
import { Command } from 'commander';
import { addDashboard } from './commands/dashboard.ts';
import { addDemo } from './commands/demo.ts';
import { addServe } from './commands/serve.ts';
import { CommandError, type Surroundings } from './commands/surroundings.ts';
import { VERSION } from './commands/version.ts';

const surroundings: Surroundings = {
  env: process.env,
  output: { isTTY: process.stdout.isTTY, write: (text) => void process.stdout.write(text) },
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
addDashboard(program, surroundings);
addDemo(program, surroundings);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`samebytes: ${error.message}\n`);
  process.exitCode = 1;
}
