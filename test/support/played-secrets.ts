import { configKeyOf, type PullSecret, type PullSecrets } from '../../src/credentials/pull-secret.ts';

const JSON_TYPE = 'kubernetes.io/dockerconfigjson';

/** The text of a docker config: for each key a user, whose password is `password-of-USER`. */
export function dockerConfig(users: Readonly<Record<string, string>>): string {
  const entries = Object.entries(users).map(([key, user]) => {
    const auth = Buffer.from(`${user}:${passwordOf(user)}`).toString('base64');
    return [key, { auth }];
  });
  return JSON.stringify({ auths: Object.fromEntries(entries) });
}

export function passwordOf(user: string): string {
  return `password-of-${user}`;
}

/** Secrets by `NAMESPACE/NAME`, with a memory of what was read. */
export class PlayedSecrets implements PullSecrets {
  readonly reads: string[] = [];
  /** Runs before an answer, to hold it back. */
  before: (key: string, signal: AbortSignal) => Promise<void> = async () => {};
  readonly #secrets = new Map<string, PullSecret>();

  /** A Secret of type dockerconfigjson unless `type` says otherwise. */
  put(key: string, config: string | undefined, type = JSON_TYPE): void {
    this.set(key, { is: 'found', type, config: configKeyOf(type) === undefined ? undefined : config });
  }

  set(key: string, secret: PullSecret): void {
    this.#secrets.set(key, secret);
  }

  async read(namespace: string, name: string, signal: AbortSignal): Promise<PullSecret> {
    const key = `${namespace}/${name}`;
    this.reads.push(key);
    await this.before(key, signal);
    return this.#secrets.get(key) ?? { is: 'missing' };
  }
}
