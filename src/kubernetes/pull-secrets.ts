import { ApiException, type CoreV1Api, type V1Secret } from '@kubernetes/client-node';
import { configKeyOf, type PullSecret, type PullSecrets } from '../credentials/pull-secret.ts';
import { endingWith, silentError } from './request-options.ts';

export interface ClusterPullSecretsOptions {
  readonly api: Pick<CoreV1Api, 'readNamespacedSecret'>;
  /** Hears why a Secret could not be read, fit for our log. One that does not exist is its author's business. */
  readonly onUnreadable: (error: Error) => void;
}

/**
 * What Kubernetes takes for the name of a Secret. A Pod is looked at before the API server checks it, and `..` would lead
 * to another path.
 */
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Pull secrets by the API server: each is one GET by name, and nothing else is ever asked. */
export class ClusterPullSecrets implements PullSecrets {
  readonly #options: ClusterPullSecretsOptions;

  constructor(options: ClusterPullSecretsOptions) {
    this.#options = options;
  }

  async read(namespace: string, name: string, signal: AbortSignal): Promise<PullSecret> {
    if (!NAME.test(namespace) || !NAME.test(name)) return { is: 'missing' };
    try {
      return found(await this.#options.api.readNamespacedSecret({ namespace, name }, endingWith(signal)));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const status = error instanceof ApiException ? error.code : undefined;
      if (status === 404) return { is: 'missing' };
      const what = `cannot read Secret ${namespace}/${name}`;
      this.#options.onUnreadable(silentError(what, error));
      return { is: status === 403 ? 'forbidden' : 'unreadable' };
    }
  }
}

function found({ type = '', data }: V1Secret): PullSecret {
  const key = configKeyOf(type);
  const encoded = key === undefined ? undefined : data?.[key];
  const config = encoded ? Buffer.from(encoded, 'base64').toString('utf8') : undefined;
  return { is: 'found', type, config };
}
