import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import type { Api, KubeObject } from './api.ts';

interface InjectorOptions {
  /** The sidecar's image, by its tag. */
  readonly image: string;
  readonly namespace: string;
  /** `add` adds the sidecar where it is missing; `rerender` writes its image anew whenever it is asked. */
  readonly how: 'add' | 'rerender';
}

const NAME = 'zz-injector';

/** A second mutating webhook that sorts after ours and gives every Pod of a namespace a sidecar, as a mesh does. */
export class Injector {
  readonly #api: Api;
  readonly #server: Server;
  /** How often it was asked. */
  asked = 0;

  private constructor(api: Api, server: Server) {
    this.#api = api;
    this.#server = server;
  }

  static async start(api: Api, options: InjectorOptions): Promise<Injector> {
    const { ca, serving } = await issueCertificates({
      names: ['127.0.0.1'],
      notBefore: new Date(),
      validDays: 1,
    });
    const server = createServer({ cert: serving.cert, key: serving.key });
    const injector = new Injector(api, server);
    server.on('request', (request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.once('end', () => {
        injector.asked += 1;
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(answer(JSON.parse(text) as KubeObject, options)));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await api.post('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: NAME },
      webhooks: [
        {
          name: 'injector.example.com',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          reinvocationPolicy: options.how === 'rerender' ? 'IfNeeded' : 'Never',
          clientConfig: {
            url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
            caBundle: Buffer.from(ca.cert).toString('base64'),
          },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': options.namespace } },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
      ],
    });
    return injector;
  }

  async stop(): Promise<void> {
    await this.#api.delete(`/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${NAME}`);
    this.#server.closeAllConnections();
    await once(this.#server.close(), 'close');
  }
}

function answer({ apiVersion, kind, request }: KubeObject, { image, how }: InjectorOptions): object {
  const containers = request.object.spec.containers as { name: string; image: string }[];
  const index = containers.findIndex(({ name }) => name === 'sidecar');
  const patch =
    index === -1
      ? [{ op: 'add', path: '/spec/containers/-', value: { name: 'sidecar', image } }]
      : how === 'rerender'
        ? [{ op: 'replace', path: `/spec/containers/${index}/image`, value: image }]
        : [];
  return {
    apiVersion,
    kind,
    response: {
      uid: request.uid,
      allowed: true,
      patchType: 'JSONPatch',
      patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
    },
  };
}
