import { ApiException, type AppsV1Api, type V1ControllerRevision } from '@kubernetes/client-node';
import { PinStoreError } from '../pins/pin-store.ts';
import type { ControllerRevisions } from '../pins/revision-finder.ts';
import type { ControllerRevisionName } from '../pins/revision.ts';
import { endingWith, plainCause } from './request-options.ts';

/** ControllerRevisions by the API server; each look-up is one GET. */
export class ClusterControllerRevisions implements ControllerRevisions {
  readonly #api: Pick<AppsV1Api, 'readNamespacedControllerRevision'>;

  constructor(api: Pick<AppsV1Api, 'readNamespacedControllerRevision'>) {
    this.#api = api;
  }

  async uidOf(
    { namespace, name, workload }: ControllerRevisionName,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    let found: V1ControllerRevision;
    try {
      found = await this.#api.readNamespacedControllerRevision({ namespace, name }, endingWith(signal));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ApiException && error.code === 404) return undefined;
      throw new PinStoreError('pin_unreadable', `cannot read ControllerRevision ${namespace}/${name}`, {
        cause: plainCause(error),
      });
    }
    const owners = found.metadata?.ownerReferences ?? [];
    const proven = owners.some(({ uid, controller }) => uid === workload.uid && controller === true);
    return proven ? found.metadata?.uid : undefined;
  }
}
