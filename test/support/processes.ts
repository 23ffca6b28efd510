import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `samebytes …` in a process of its own, with the Node that runs the tests. */
export class SamebytesProcess {
  readonly #child: ChildProcess;
  readonly exited: Promise<Exit>;
  #stdout = '';
  #stderr = '';
  #onOutput = (): void => {};

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    const { NODE_OPTIONS: _jestOptions, ...inherited } = process.env;
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#onOutput();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
        this.#onOutput();
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Resolves with the output so far once it matches. @throws where the process ends before that. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const found = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const match = pattern.exec(this.#stdout);
      if (match !== null) found.resolve(match);
    };
    this.#onOutput = look;
    look();
    const ended = this.exited.then(({ stdout, stderr }) => {
      throw new Error(`the process ended without printing ${String(pattern)}:\n${stdout}\n${stderr}`);
    });
    return Promise.race([found.promise, ended]);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends the process, whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
