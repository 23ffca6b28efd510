import { BoundedCache, type WatchedCaches } from './bounded-cache.ts';
import type { Logger } from './log.ts';
import type { RegistryNotice, RegistryNoticeKind } from './registry-events.ts';

const MAX_TOLD = 1_000;
const TELL_AGAIN_MS = 24 * 60 * 60 * 1000;

const MESSAGES: Readonly<Record<RegistryNoticeKind, string>> = {
  registry_warning: 'a registry warns',
  digest_mismatch: 'a registry names another digest than its bytes have; that of the bytes is used',
  credentials_withheld:
    'credentials are not sent: the token server is on another host; if it may get them, list it in `registries[].tokenHosts`',
  anonymous_instead:
    'every credential was refused, and the image can be read without: nodes with these credentials may fail to pull it',
};

/** Writes each notice to the log once a day at most: registries repeat themselves with every answer. */
export class NoticeLog {
  readonly #log: Logger;
  readonly #told = new BoundedCache<string, true>({ max: MAX_TOLD, ttl: TELL_AGAIN_MS });

  constructor(log: Logger) {
    this.#log = log;
  }

  get caches(): WatchedCaches {
    return { notice: this.#told };
  }

  tell({ kind, registry, subject }: RegistryNotice): void {
    const key = JSON.stringify([kind, registry, subject]);
    if (this.#told.has(key)) return;
    this.#told.set(key, true);
    this.#log.warn({ kind, registry, subject }, MESSAGES[kind]);
  }
}
