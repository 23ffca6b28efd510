import type { CoreV1Api } from '@kubernetes/client-node';
import type { NamedPod, PodLives } from '../admission/recreation-guard.ts';
import { endingWith } from './request-options.ts';

const MAX_EVENTS = 500;

/** Lives of a Pod by the events that scheduler and kubelet write about it: each life has a uid of its own. */
export class ClusterPodLives implements PodLives {
  readonly #api: Pick<CoreV1Api, 'listNamespacedEvent'>;

  constructor(api: Pick<CoreV1Api, 'listNamespacedEvent'>) {
    this.#api = api;
  }

  async count({ namespace, name }: NamedPod, signal: AbortSignal): Promise<number> {
    const fieldSelector = `involvedObject.kind=Pod,involvedObject.name=${name}`;
    const request = { namespace, fieldSelector, limit: MAX_EVENTS };
    const { items } = await this.#api.listNamespacedEvent(request, endingWith(signal));
    return new Set(items.map(({ involvedObject }) => involvedObject.uid).filter(Boolean)).size;
  }
}
