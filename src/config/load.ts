import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { isObject } from '../json/json-object.ts';
import { settingsSchema, type Settings } from './settings.ts';

/** Settings that cannot be used. The message lists every problem, a line each, with its path. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly code = 'invalid_settings';
}

/** What may be set beside the file, strongest first: flags, then environment variables. */
export interface Overrides {
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The few settings that a Deployment sets: flag, environment variable, and where they go. */
export const OVERRIDES = [
  { flag: 'webhookPort', env: 'SAMEBYTES_WEBHOOK_PORT', path: ['webhook', 'port'], number: true },
  { flag: 'certFile', env: 'SAMEBYTES_CERT_FILE', path: ['webhook', 'certFile'], number: false },
  { flag: 'keyFile', env: 'SAMEBYTES_KEY_FILE', path: ['webhook', 'keyFile'], number: false },
  { flag: 'healthPort', env: 'SAMEBYTES_HEALTH_PORT', path: ['health', 'port'], number: true },
  { flag: 'dashboardPort', env: 'SAMEBYTES_DASHBOARD_PORT', path: ['dashboard', 'port'], number: true },
  { flag: 'kubeconfig', env: 'SAMEBYTES_KUBECONFIG', path: ['kubernetes', 'kubeconfig'], number: false },
  { flag: 'pinStore', env: 'SAMEBYTES_PIN_STORE', path: ['pins', 'store'], number: false },
  { flag: 'logLevel', env: 'SAMEBYTES_LOG_LEVEL', path: ['log', 'level'], number: false },
] as const;

/**
 * Reads the settings file (YAML; none means all defaults) and puts flags and environment over it. This is the
 * only place that reads files and environment variables for settings.
 * @throws {SettingsError} with every problem at once.
 */
export function loadSettings(file: string | undefined, overrides: Overrides): Settings {
  const tree = file === undefined ? {} : readYaml(file);
  const problems: string[] = [];
  for (const { flag, env, path, number } of OVERRIDES) {
    const flagged = overrides.flags[flag];
    const text = flagged ?? overrides.env[env];
    if (text === undefined || text === '') continue;
    const value = number && /^\d+$/.test(text) ? Number(text) : text;
    setIn(tree, path, value);
  }
  const parsed = settingsSchema.safeParse(tree);
  if (parsed.success && problems.length === 0) return parsed.data;
  const issues = parsed.error?.issues ?? [];
  problems.push(...issues.map(({ path, message }) => `${pathText(path)}: ${message}`));
  throw new SettingsError(
    `the settings${file === undefined ? '' : ` in ${file}`} are not valid:\n  ${problems.join('\n  ')}`,
  );
}

/** The text of a settings file, to see whether it changed. @throws {SettingsError} where it cannot be read. */
export function settingsText(file: string): string {
  return readText(file, 'settings');
}

/** The PEM text of a file that a setting names. @throws {SettingsError} where it cannot be read. */
export function readCaFile(file: string, setting: string): string {
  const text = readText(file, setting);
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new SettingsError(`${setting}: ${file} holds no certificate in PEM`);
  }
  return text;
}

function readYaml(file: string): Record<string, unknown> {
  const lines = new LineCounter();
  const document = parseDocument(settingsText(file), { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const problems = document.errors.map(
      ({ message, pos }) => `line ${lines.linePos(pos[0]).line}: ${message}`,
    );
    throw new SettingsError(`${file} is not YAML:\n  ${problems.join('\n  ')}`);
  }
  const value = plainValue(file, document);
  if (!isObject(value))
    throw new SettingsError(
      `${file} does not hold settings, but one ${Array.isArray(value) ? 'list' : 'text'}`,
    );
  return { ...value };
}

function plainValue(file: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    // An alias to nothing, or so many that they would fill the memory.
    throw new SettingsError(`${file} is not YAML:\n  ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    });
  }
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw new SettingsError(`${what}: cannot read ${file} (${code})`, { cause });
  }
}

function setIn(
  tree: Record<string, unknown>,
  [section, name]: readonly [string, string],
  value: unknown,
): void {
  const fields = tree[section];
  // What is no section stays as it is: the check of all settings says so.
  if (fields !== undefined && fields !== null && !isObject(fields)) return;
  tree[section] = { ...fields, [name]: value };
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? 'settings' : text.replace(/^\./, '');
}
