import {
  ApiException,
  PatchStrategy,
  type AdmissionregistrationV1Api,
  type V1LabelSelector,
  type V1MutatingWebhookConfiguration,
} from '@kubernetes/client-node';
import type { TrustAnchors, TrustState } from '../certificates/managed-certificate.ts';
import { endingWith, plainError, sendingAs } from './request-options.ts';

type ConfigurationApi = Pick<
  AdmissionregistrationV1Api,
  'readMutatingWebhookConfiguration' | 'patchMutatingWebhookConfiguration'
>;

const TIMEOUT_MS = 5_000;
/** The label that Kubernetes itself puts on every namespace. */
const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** Our own MutatingWebhookConfiguration: whom the API server trusts, and which namespaces it spares. */
export class WebhookConfiguration implements TrustAnchors {
  readonly #api: ConfigurationApi;
  readonly #name: string;
  /** By their place in what was read last. */
  #webhooks: readonly string[] = [];

  constructor(api: ConfigurationApi, name: string) {
    this.#api = api;
    this.#name = name;
  }

  async read(): Promise<TrustState> {
    const { metadata, webhooks = [] } = await this.#get();
    this.#webhooks = webhooks.map(({ name }) => name);
    const trusted = webhooks.map(({ clientConfig: { caBundle } }) =>
      caBundle === undefined ? undefined : Buffer.from(caBundle, 'base64').toString('utf8'),
    );
    return { trusted, version: metadata?.resourceVersion ?? '' };
  }

  async write(trusted: string, resourceVersion: string): Promise<boolean> {
    const caBundle = Buffer.from(trusted).toString('base64');
    const body = {
      metadata: { resourceVersion },
      // A strategic merge finds webhooks by name, wherever they stand in the list.
      webhooks: this.#webhooks.map((name) => ({ name, clientConfig: { caBundle } })),
    };
    try {
      await this.#api.patchMutatingWebhookConfiguration(
        { name: this.#name, body },
        sendingAs(PatchStrategy.StrategicMergePatch, AbortSignal.timeout(TIMEOUT_MS)),
      );
      return true;
    } catch (error) {
      if (error instanceof ApiException && error.code === 409) return false;
      throw plainError(`cannot patch MutatingWebhookConfiguration ${this.#name}`, error);
    }
  }

  /**
   * The webhooks that would be called for Pods of `namespace`, were it labelled: a webhook that has to admit its own
   * Pods cannot come back once it is down.
   */
  async notSparing(namespace: string): Promise<string[]> {
    const { webhooks = [] } = await this.#get();
    return webhooks
      .filter(({ namespaceSelector }) => !spares(namespaceSelector, namespace))
      .map(({ name }) => name);
  }

  async #get(): Promise<V1MutatingWebhookConfiguration> {
    try {
      return await this.#api.readMutatingWebhookConfiguration(
        { name: this.#name },
        endingWith(AbortSignal.timeout(TIMEOUT_MS)),
      );
    } catch (error) {
      throw plainError(`cannot read MutatingWebhookConfiguration ${this.#name}`, error);
    }
  }
}

function spares(selector: V1LabelSelector | undefined, namespace: string): boolean {
  return (selector?.matchExpressions ?? []).some(
    ({ key, operator, values = [] }) =>
      key === NAMESPACE_NAME_LABEL && operator === 'NotIn' && values.includes(namespace),
  );
}
