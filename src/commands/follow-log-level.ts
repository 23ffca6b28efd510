import { settingsText, SettingsError, type Overrides, loadSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { Logger } from '../telemetry/log.ts';

export interface FollowedLog {
  readonly file: string;
  readonly overrides: Overrides;
  /** As they were at the start. */
  readonly settings: Settings;
  readonly log: Logger;
}

/**
 * Takes `log.level` from the settings file when that changes, as a ConfigMap does in a running Pod. Everything else waits
 * for the next start, and the log says so. Returns what ends it.
 */
export function followLogLevel({ file, overrides, settings, log }: FollowedLog): () => void {
  // The file may have changed since it was read for these settings: the first look reads it anyway.
  let text: string | undefined;
  let told = JSON.stringify(withoutLevel(settings));
  const look = (): void => {
    const current = textOf(file);
    // An editor that writes in place empties the file first.
    if (current === undefined || current.trim() === '' || current === text) return;
    text = current;
    try {
      const changed = loadSettings(file, overrides);
      changeLevel(log, changed.log.level);
      const others = JSON.stringify(withoutLevel(changed));
      if (others !== told)
        log.warn('the settings have changed: all but log.level is taken at the next start');
      told = others;
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      log.error(
        { problem: error.message },
        'the changed settings cannot be used: everything stays as it was',
      );
    }
  };
  const timer = setInterval(look, settings.log.reloadMs);
  return () => clearInterval(timer);
}

function changeLevel(log: Logger, level: Settings['log']['level']): void {
  const from = log.level;
  if (from === level) return;
  // On both sides of the change: one of the two levels shows it, unless neither shows as much as that.
  const tell = (): void => log.info({ from, to: level }, 'log level changed');
  const wasShown = log.isLevelEnabled('info');
  if (wasShown) tell();
  log.level = level;
  if (!wasShown) tell();
}

function withoutLevel({ log, ...settings }: Settings): object {
  const { level: _level, ...rest } = log;
  return { ...settings, log: rest };
}

/** Undefined while the file cannot be read: a ConfigMap's is replaced by a link for a moment, and may be gone for good. */
function textOf(file: string): string | undefined {
  try {
    return settingsText(file);
  } catch {
    return undefined;
  }
}
