import { ApiException, type AppsV1Api, type V1ObjectMeta } from '@kubernetes/client-node';
import type { OwnerReference } from '../pins/revision.ts';
import { PackedCache } from '../packed/packed-cache.ts';
import type { WatchedCaches } from '../telemetry/bounded-cache.ts';
import { endingWith, plainError } from './request-options.ts';

const MAX_REMEMBERED = 5_000;

/** Who controls revisions: the Deployment above a ReplicaSet, the StatefulSet or DaemonSet of a ControllerRevision. */
export class Workloads {
  readonly #api: Pick<AppsV1Api, 'readNamespacedReplicaSet' | 'readNamespacedControllerRevision'>;
  /** A key, and the four values of the controller where there is one. */
  readonly #known = new PackedCache({ max: MAX_REMEMBERED, headTexts: 1 });

  constructor(api: Pick<AppsV1Api, 'readNamespacedReplicaSet' | 'readNamespacedControllerRevision'>) {
    this.#api = api;
  }

  get caches(): WatchedCaches {
    return { workload: this.#known };
  }

  /**
   * The controller of a ReplicaSet or ControllerRevision; undefined where it has none, where there is no such object with
   * this uid, and for other kinds. One GET, once per revision.
   * @throws where the API server gives no answer.
   */
  async above(
    namespace: string,
    { kind, name, uid }: Pick<OwnerReference, 'kind' | 'name' | 'uid'>,
    signal: AbortSignal,
  ): Promise<OwnerReference | undefined> {
    if (kind !== 'ReplicaSet' && kind !== 'ControllerRevision') return undefined;
    const key = `${namespace}/${kind}/${name}/${uid}`;
    const known = this.#known.get(key, ([kept]) => kept === key);
    if (known !== undefined) return ownerIn(known);
    const metadata = await this.#read(namespace, kind, name, signal);
    const found = metadata?.uid === uid ? controllerIn(metadata) : undefined;
    this.#known.set(key, found === undefined ? [key] : [key, ...textsOf(found)]);
    return found;
  }

  async #read(
    namespace: string,
    kind: 'ReplicaSet' | 'ControllerRevision',
    name: string,
    signal: AbortSignal,
  ): Promise<V1ObjectMeta | undefined> {
    const [request, options] = [{ namespace, name }, endingWith(signal)];
    const reading =
      kind === 'ReplicaSet'
        ? this.#api.readNamespacedReplicaSet(request, options)
        : this.#api.readNamespacedControllerRevision(request, options);
    try {
      return (await reading).metadata;
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return undefined;
      // Without the name, which a Pod's author may have made up: the log tells each problem once.
      throw plainError(`cannot read a ${kind}`, error);
    }
  }
}

function controllerIn({ ownerReferences = [] }: V1ObjectMeta): OwnerReference | undefined {
  const found = ownerReferences.find(({ controller }) => controller === true);
  if (found === undefined) return undefined;
  const { apiVersion, kind, name, uid } = found;
  return { apiVersion, kind, name, uid };
}

function textsOf({ apiVersion, kind, name, uid }: OwnerReference): readonly string[] {
  return [apiVersion, kind, name, uid];
}

function ownerIn([, apiVersion, kind = '', name = '', uid = '']: readonly string[]):
  OwnerReference | undefined {
  return apiVersion === undefined ? undefined : { apiVersion, kind, name, uid };
}
