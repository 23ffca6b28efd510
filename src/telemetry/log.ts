import { pino, type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';
import { printableJsonText } from './printable-json.ts';
import { BoundedOutput } from './bounded-output.ts';
import { masked } from './redact.ts';

export type { Logger } from 'pino';
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names of fields that could hold a secret; whatever is logged under them is masked, at any of these depths. */
const SECRET_FIELDS = ['authorization', 'password', 'token', 'auth', 'secret', 'cookie', 'identitytoken'];

export interface LogOptions {
  readonly level: LogLevel;
  /** Lines for people instead of JSON. */
  readonly pretty: boolean;
  /** Standard output where absent. */
  readonly destination?: DestinationStream;
}

/**
 * The process's log: one JSON object a line, in RFC 3339 time. Secrets are masked twice: by the names of fields, and in the
 * finished line by what they look like; and no field of it can steer a terminal. Nobody waits for standard output: what nobody reads is dropped at last, and counted.
 */
export function createLog({ level, pretty: isPretty, destination }: LogOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    hooks: {
      // Lines for people are made of the line as JSON, which is read once more for them.
      streamWrite: (line: string) => printableJsonText(masked(line), isPretty ? '\\\\' : '\\'),
    },
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
      censor: '[masked]',
    },
  };
  if (isPretty)
    return pino(options, pretty({ sync: true, ...(destination === undefined ? {} : { destination }) }));
  if (destination !== undefined) return pino(options, destination);
  const output = new BoundedOutput(process.stdout.fd);
  const log = pino(options, output);
  output.onRecovered = (dropped) =>
    log.error({ dropped }, 'log lines were dropped: nobody read them in time');
  return log;
}

/**
 * An error as the log shows it: name, code, message and the chain of causes. No stack, and no other fields, since
 * errors of HTTP clients carry requests with their headers.
 */
export function errorFields(error: unknown, depth = 0): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error ? { code: error.code } : {};
  const status = 'status' in error && error.status !== undefined ? { status: error.status } : {};
  const cause =
    error.cause === undefined || depth === 5 ? {} : { cause: errorFields(error.cause, depth + 1) };
  return { name: error.name, ...code, ...status, message: error.message, ...cause };
}
