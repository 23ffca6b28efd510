import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings, SettingsError, type Overrides } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';

/** Settings files in a directory of their own. */
export class SettingsFiles {
  readonly directory = mkdtempSync(join(tmpdir(), 'samebytes-settings-'));

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  write(content: string | Buffer, name = 'settings.yaml'): string {
    const file = join(this.directory, name);
    writeFileSync(file, content);
    return file;
  }

  load(content: string | Buffer, overrides: Partial<Overrides> = {}): Settings {
    return loadSettings(this.write(content), { flags: {}, env: {}, ...overrides });
  }

  /** What is wrong with the settings, a line each. @throws where nothing is, or where another error says so. */
  problems(content: string | Buffer, overrides: Partial<Overrides> = {}): string[] {
    const error = errorOf(() => this.load(content, overrides));
    if (!(error instanceof SettingsError)) throw new Error(`not a SettingsError: ${String(error)}`);
    const [title, ...problems] = error.message.split('\n').map((line) => line.trim());
    return problems.length > 0 ? problems : [title ?? ''];
  }
}

/** What `act` throws; undefined where it throws nothing. */
export function errorOf(act: () => unknown): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}
