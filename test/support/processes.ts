import { fileURLToPath } from 'node:url';
import { ChildProcess } from './child-process.ts';

export type { Exit } from './child-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** `samebytes …` in a process of its own, with the Node that runs the tests. */
export class SamebytesProcess extends ChildProcess {
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, input?: string) {
    super({ command: process.execPath, args: [MAIN, ...args], env, input });
  }
}
