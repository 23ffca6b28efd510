import { ApiException, type CoreV1Api, type V1Secret } from '@kubernetes/client-node';
import type { CertificateBundle } from '../certificates/certificate-bundle.ts';
import type { CertificateStore, StoredBundle } from '../certificates/managed-certificate.ts';
import { endingWith, silentError } from './request-options.ts';

type SecretApi = Pick<
  CoreV1Api,
  'readNamespacedSecret' | 'createNamespacedSecret' | 'replaceNamespacedSecret'
>;

/** The Secret was made by somebody else, in a way that nobody can change it any more. */
export class UnchangeableSecretError extends Error {
  override readonly name = 'UnchangeableSecretError';
  readonly code = 'unchangeable_secret';

  constructor(namespace: string, name: string) {
    super(
      `Secret ${namespace}/${name} cannot be renewed, since it is immutable or not of type kubernetes.io/tls: delete it, and samebytes makes another (kubectl -n ${namespace} delete secret ${name})`,
    );
  }
}

const TIMEOUT_MS = 5_000;

/** The certificate in a Secret of type `kubernetes.io/tls`; resourceVersions make one process win. */
export class CertificateSecret implements CertificateStore {
  readonly #api: SecretApi;
  readonly #namespace: string;
  readonly #name: string;

  constructor(api: SecretApi, { namespace, name }: { namespace: string; name: string }) {
    this.#api = api;
    this.#namespace = namespace;
    this.#name = name;
  }

  async read(): Promise<StoredBundle | undefined> {
    const { data, metadata } =
      (await this.#call('read', 404, (options) =>
        this.#api.readNamespacedSecret({ namespace: this.#namespace, name: this.#name }, options),
      )) ?? {};
    if (metadata?.resourceVersion === undefined) return undefined;
    const text = (key: string): string => Buffer.from(data?.[key] ?? '', 'base64').toString('utf8');
    const bundle = { cert: text('tls.crt'), key: text('tls.key'), trusted: text('ca.crt') };
    return { bundle, version: metadata.resourceVersion };
  }

  async create(bundle: CertificateBundle): Promise<boolean> {
    const body = this.#secret(bundle);
    const request = { namespace: this.#namespace, body };
    const created = await this.#call('create', 409, (options) =>
      this.#api.createNamespacedSecret(request, options),
    );
    return created !== undefined;
  }

  async replace(bundle: CertificateBundle, version: string): Promise<boolean> {
    const body = this.#secret(bundle, version);
    const request = { namespace: this.#namespace, name: this.#name, body };
    const replaced = await this.#call('update', 409, (options) =>
      this.#api.replaceNamespacedSecret(request, options),
    );
    return replaced !== undefined;
  }

  #secret(bundle: CertificateBundle, resourceVersion?: string): V1Secret {
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: {
        name: this.#name,
        namespace: this.#namespace,
        labels: { 'app.kubernetes.io/name': 'samebytes', 'app.kubernetes.io/managed-by': 'samebytes' },
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      data: {
        'tls.crt': encode(bundle.cert),
        'tls.key': encode(bundle.key),
        'ca.crt': encode(bundle.trusted),
      },
    };
  }

  /** The answer; undefined where it is the expected failure. */
  async #call(
    verb: string,
    expected: number,
    call: (options: ReturnType<typeof endingWith>) => Promise<V1Secret>,
  ): Promise<V1Secret | undefined> {
    try {
      return await call(endingWith(AbortSignal.timeout(TIMEOUT_MS)));
    } catch (error) {
      if (error instanceof ApiException && error.code === expected) return undefined;
      if (verb === 'update' && error instanceof ApiException && error.code === 422) {
        throw new UnchangeableSecretError(this.#namespace, this.#name);
      }
      throw silentError(`cannot ${verb} Secret ${this.#namespace}/${this.#name}`, error);
    }
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}
