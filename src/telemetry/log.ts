import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import { isObject, type JsonObject } from '../json/json-object.ts';

/** The process's log. No child logs: their fields would be written as they are. */
export interface Logger extends Pick<
  PinoLogger,
  'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'isLevelEnabled'
> {
  /**
   * A line like any other, of fields that hold no secret whatever happens: in one go, since there is one for each
   * admission. What is undefined is not written.
   */
  readonly writePlain: (level: 'info' | 'warn', fields: JsonObject, message: string) => void;
}
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names of fields that could hold a secret; whatever is logged under them is masked. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'authorization',
  'password',
  'token',
  'auth',
  'secret',
  'cookie',
  'identitytoken',
]);
/** What is nested deeper than this is not logged at all. */
const MAX_DEPTH = 10;

/** Lines are gathered for this long, or to this size: a write of its own for each costs as much as an admission. */
const FLUSH_MS = 100;
/** Just below what pino's output (sonic-boom) writes at once. */
const FLUSH_BYTES = 15 * 1024;
/** So much waits for a reader that does not read; then lines are dropped rather than admissions held up. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

export interface LogOptions {
  readonly level: LogLevel;
  /** Lines for people instead of JSON. */
  readonly pretty: boolean;
  /** Standard output where absent. */
  readonly destination?: DestinationStream;
}

/**
 * The process's log: one JSON object a line, in RFC 3339 time; secrets are masked by field name. What is gathered is
 * written when the process exits; a process that is killed loses its last tenth of a second.
 */
export function createLog({ level, pretty: isPretty, destination }: LogOptions): Logger {
  const now = timestamps();
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${now()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: JsonObject) => maskSecrets(fields),
    },
  };
  const prettyOptions = { sync: true, ...(destination === undefined ? {} : { destination }) };
  const output = isPretty ? pretty(prettyOptions) : (destination ?? gatheringOutput());
  const log = pino(options, output);
  const writePlain: Logger['writePlain'] = (lineLevel, fields, msg) => {
    if (!log.isLevelEnabled(lineLevel)) return;
    output.write(`${JSON.stringify({ level: lineLevel, time: now(), ...fields, msg })}\n`);
  };
  return Object.assign(log, { writePlain });
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

function gatheringOutput(): DestinationStream {
  return pino.destination({
    sync: false,
    minLength: FLUSH_BYTES,
    maxLength: MAX_WAITING_BYTES,
    periodicFlush: FLUSH_MS,
  });
}

/** The fields as they are, where none of them holds a secret, which is nearly always: then nothing is copied. */
function maskSecrets(fields: JsonObject, depth = 0): Record<string, unknown> {
  let masked: Record<string, unknown> | undefined;
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    const shown = SECRET_FIELDS.has(name) ? '[masked]' : maskWithin(value, depth + 1);
    if (shown === value) continue;
    masked ??= { ...fields };
    masked[name] = shown;
  }
  return masked ?? fields;
}

function maskWithin(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return '[too deep]';
  if (isObject(value)) return maskSecrets(value, depth);
  if (!Array.isArray(value)) return value;
  let masked: unknown[] | undefined;
  for (let index = 0; index < value.length; index += 1) {
    const shown = maskWithin(value[index], depth + 1);
    if (shown !== value[index]) (masked ??= [...(value as unknown[])])[index] = shown;
  }
  return masked ?? value;
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
