import { spawn, type ChildProcess as Child } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

const REAPER = fileURLToPath(new URL('./reaper-main.js', import.meta.url));
/** A server that takes longer than this to stop is killed. */
const STOP_MS = 15_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What it reads from standard input; nothing where absent. */
  readonly input?: string | undefined;
  /** Where output goes instead of being kept in memory: for servers that talk for hours. */
  readonly logFile?: string;
}

/** A process that a test started; ended by its id, also where the tests themselves are killed. */
export class ChildProcess {
  readonly exited: Promise<Exit>;
  readonly #child: Child;
  readonly #file: WriteStream | undefined;
  #stdout = '';
  #stderr = '';
  #isForgetting = false;
  readonly #listeners = new Set<() => void>();

  constructor({ command, args, env, cwd, input, logFile }: ChildOptions) {
    const { NODE_OPTIONS: _jestOptions, ...inherited } = process.env;
    this.#file = logFile === undefined ? undefined : createWriteStream(logFile, { flags: 'a' });
    this.#child = spawn(command, args, {
      env: { ...inherited, ...env },
      cwd,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    // A process may end without having read everything.
    this.#child.stdin?.on('error', () => {});
    this.#child.stdin?.end(input);
    watchOver(this.#child);
    this.#collect(this.#child.stdout, (text) => (this.#stdout += text));
    this.#collect(this.#child.stderr, (text) => (this.#stderr += text));
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        this.#file?.end();
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
        for (const look of this.#listeners) look();
      });
    });
    // Whoever waits for the end hears of a program that is not there.
    this.exited.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves with the output so far once it matches. @throws where the process ends before that. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const found = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const match = pattern.exec(this.#stdout);
      if (match !== null) found.resolve(match);
    };
    this.#listeners.add(look);
    look();
    const ended = this.exited.then(({ stdout, stderr }) => {
      throw new Error(`the process ended without printing ${String(pattern)}:\n${stdout}\n${stderr}`);
    });
    try {
      return await Promise.race([found.promise, ended]);
    } finally {
      this.#listeners.delete(look);
    }
  }

  /** Stops reading its output, as `head` does. */
  closeStdout(): void {
    this.#child.stdout?.destroy();
  }

  /** Leaves its output in the pipe, as a reader that hangs does. */
  pauseStdout(): void {
    this.#child.stdout?.pause();
  }

  resumeStdout(): void {
    this.#child.stdout?.resume();
  }

  /** Output is still read from now on, and thrown away. */
  forgetOutput(): void {
    this.#isForgetting = true;
    this.#stdout = '';
    this.#stderr = '';
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends the process, whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited.catch(() => {});
  }

  /** Asks the process to end, and ends it if it does not. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.exited.catch(() => {});
    clearTimeout(timer);
  }

  #collect(stream: NodeJS.ReadableStream | null, keep: (text: string) => void): void {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      if (this.#isForgetting) return;
      if (this.#file !== undefined) this.#file.write(text);
      else {
        keep(text);
        for (const look of this.#listeners) look();
      }
    });
  }
}

let reaper: Child | undefined;

/** Has a process ended when this one is gone. */
function watchOver(child: Child): void {
  const { pid } = child;
  if (pid === undefined) return;
  reaper ??= startReaper();
  const { stdin } = reaper;
  stdin?.write(`+${pid}\n`);
  child.once('exit', () => stdin?.write(`-${pid}\n`));
}

function startReaper(): Child {
  const started = spawn(process.execPath, [REAPER], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  started.unref();
  // The pipe's end is what tells the reaper; it must not keep this process alive.
  if (started.stdin !== null && 'unref' in started.stdin) (started.stdin.unref as () => void)();
  started.stdin?.on('error', () => {});
  return started;
}
