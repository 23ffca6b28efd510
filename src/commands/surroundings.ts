/** What a command sees of the process that it runs in; tests give it another. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: { readonly isTTY: boolean; readonly read: () => AsyncIterable<string | Uint8Array> };
  readonly output: {
    readonly isTTY: boolean;
    /** How many characters a line of the terminal holds; undefined where there is none. */
    readonly columns: number | undefined;
    readonly write: (text: string) => void;
    /** Aborted once nobody reads the output any more (`| head`); what is written then is lost. */
    readonly closed: AbortSignal;
  };
  /** Calls back once, with the signal's name, when the process is asked to stop. */
  readonly onStopSignal: (callback: (signal: string) => void) => void;
}

/** A failure that its message explains in full: printed without a stack; the process ends with status 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code = 'command_failed';
}
