/** What a command sees of the process that it runs in; tests give it another. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: { readonly isTTY: boolean; readonly write: (text: string) => void };
  /** Calls back once, with the signal's name, when the process is asked to stop. */
  readonly onStopSignal: (callback: (signal: string) => void) => void;
}

/** A failure that its message explains in full: printed without a stack; the process ends with status 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code = 'command_failed';
}
