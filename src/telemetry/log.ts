import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import type { JsonObject } from '../json/json-object.ts';
import { printableJsonText } from './printable-json.ts';
import { BoundedOutput } from './bounded-output.ts';
import type { WatchedLimits } from './limits.ts';
import { masked, maskedFields } from './redact.ts';

/** The process's log. It has no children: what they always say would be written as it is. */
export interface Logger extends Pick<
  PinoLogger,
  'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'level' | 'isLevelEnabled'
> {
  /** A line that will be written many times: what is the same in all of them is masked, and made text, once. */
  readonly repeated: (level: 'info' | 'warn', fields: JsonObject, message: string) => RepeatedLine;
}

/** Writes the line once more, with these fields before the others, where its level is shown. There must be one at least. */
export type RepeatedLine = (fields: JsonObject) => void;
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** Lines for people instead of JSON. */
  readonly pretty: boolean;
  /** Standard output where absent. */
  readonly destination?: DestinationStream;
  /** Told once what is limited. */
  readonly onLimits?: (limits: WatchedLimits) => void;
}

/**
 * The process's log: one JSON object a line, in RFC 3339 time. Secrets are masked twice: by the names of fields, and in the
 * finished line by what they look like; and no field of it can steer a terminal. Nobody waits for standard output: lines are
 * gathered for a tenth of a second, what nobody reads is dropped at last, and counted. A process that is killed loses its last
 * tenth of a second.
 */
export function createLog({ level, pretty: isPretty, destination, onLimits }: LogOptions): Logger {
  const now = timestamps();
  const timestamp = (): string => `,"time":"${now()}"`;
  // Lines for people are made of the line as JSON, which is read once more for them.
  const fit = (json: string): string => printableJsonText(masked(json), isPretty ? '\\\\' : '\\');
  const options = {
    level,
    base: null,
    timestamp,
    hooks: { streamWrite: fit },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: JsonObject) => maskedFields(fields),
    },
  };
  const stream = isPretty ? prettyStream(destination) : (destination ?? boundedOutput(onLimits));
  const log = pino(options, stream);
  if (stream instanceof BoundedOutput) {
    stream.onRecovered = (dropped) =>
      log.error({ dropped }, 'log lines were dropped: nobody read them in time');
  }
  const text = (fields: JsonObject): string => fit(JSON.stringify(maskedFields(fields)).slice(1, -1));
  const repeated: Logger['repeated'] = (lineLevel, fields, message) => {
    const start = `{"level":"${lineLevel}"`;
    const end = `,${text({ ...fields, msg: message })}}\n`;
    return (own) => {
      if (log.isLevelEnabled(lineLevel)) stream.write(`${start}${timestamp()},${text(own)}${end}`);
    };
  };
  return Object.assign(log, { repeated });
}

function prettyStream(destination: DestinationStream | undefined): DestinationStream {
  return pretty({ sync: true, ...(destination === undefined ? {} : { destination }) });
}

function boundedOutput(onLimits: LogOptions['onLimits']): BoundedOutput {
  const output = new BoundedOutput(process.stdout.fd);
  onLimits?.({ log_characters_waiting: output.waiting });
  return output;
}

/** RFC 3339 with milliseconds; all but these are the same for a second. */
function timestamps(): () => string {
  let second = Number.NaN;
  let start = '';
  return () => {
    const nowMs = Date.now();
    const now = Math.floor(nowMs / 1_000);
    if (now !== second) {
      second = now;
      start = new Date(now * 1_000).toISOString().slice(0, -'000Z'.length);
    }
    return `${start}${String(nowMs - now * 1_000).padStart(3, '0')}Z`;
  };
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
