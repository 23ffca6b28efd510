import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

interface Call {
  readonly number: number;
  readonly name: string;
  readonly value: unknown;
}

interface Answer {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** What a process of the bench can be asked to do, by name. */
export type Handlers = Readonly<Record<string, (value: never) => unknown>>;

/** Makes this process answer the bench's calls, and end with the bench. */
export function answerCalls(handlers: Handlers): void {
  process.on('message', (call: Call) => void answer(handlers, call));
  process.on('disconnect', () => process.exit());
}

async function answer(handlers: Handlers, { number, name, value }: Call): Promise<void> {
  try {
    process.send?.({ number, value: await handlers[name]?.(value as never) });
  } catch (error) {
    process.send?.({ number, error: String(error) });
  }
}

/** One process of the bench beside this one, which is asked by name. It ends when this process ends. */
export class CalledProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;

  constructor(
    script: string,
    { env = {}, nodeFlags = [] }: { env?: NodeJS.ProcessEnv; nodeFlags?: readonly string[] } = {},
  ) {
    const file = script.startsWith('/') ? script : fileURLToPath(new URL(script, import.meta.url));
    this.#child = fork(file, {
      execArgv: [...nodeFlags],
      env: { ...process.env, NODE_OPTIONS: '', ...env },
    });
    this.#child.on('message', ({ number, value, error }: Answer) => {
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(`${script}: ${error}`));
    });
    this.#child.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`${script} ended with ${signal ?? code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws what the handler throws, or where the process ends. */
  async call<T = void>(name: string, value?: unknown): Promise<T> {
    this.#calls += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#calls, waiting);
    this.#child.send({ number: this.#calls, name, value });
    return (await waiting.promise) as T;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}
