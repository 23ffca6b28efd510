import type { Api } from './api.ts';

/** Makes Secrets as they come out of people's hands, well-made ones and others. */
export class PullSecretMaker {
  readonly #api: Api;
  readonly #host: string;

  constructor(api: Api, host: string) {
    this.#api = api;
    this.#host = host;
  }

  /** A Secret of type dockerconfigjson with one entry, for the registry. */
  async json(namespace: string, name: string, entry: object): Promise<void> {
    const config = JSON.stringify({ auths: { [this.#host]: entry } });
    await this.any(namespace, name, 'kubernetes.io/dockerconfigjson', { '.dockerconfigjson': config });
  }

  /** The same of the old type. */
  async cfg(namespace: string, name: string, entry: object): Promise<void> {
    const config = JSON.stringify({ [this.#host]: entry });
    await this.any(namespace, name, 'kubernetes.io/dockercfg', { '.dockercfg': config });
  }

  async any(
    namespace: string,
    name: string,
    type: string,
    stringData: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.#api.post(`/api/v1/namespaces/${namespace}/secrets`, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name },
      type,
      stringData,
    });
  }
}

/** The `auth` of a docker config's entry. */
export function basicAuth(user: string, password: string): string {
  return Buffer.from(`${user}:${password}`).toString('base64');
}
