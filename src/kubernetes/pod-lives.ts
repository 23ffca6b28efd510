import type { CoreV1Api, CoreV1Event } from '@kubernetes/client-node';
import type { NamedPod, PodLives } from '../admission/recreation-guard.ts';
import { endingWith, plainError } from './request-options.ts';

const MAX_EVENTS = 500;
/** The kubelet started a container (pkg/kubelet/events): the Pod was not refused by its node, nor kept waiting. */
const STARTED = 'Started';
/** Kubernetes itself took the Pod away again: evicted by the kubelet, by a taint, or for a Pod of higher priority. */
const TAKEN_AWAY: ReadonlySet<string> = new Set([
  'Evicted',
  'TaintManagerEviction',
  'Preempted',
  'Preempting',
]);

/** Lives of a Pod by the events that are written about it: each life has a uid of its own. */
export class ClusterPodLives implements PodLives {
  readonly #api: Pick<CoreV1Api, 'listNamespacedEvent'>;

  constructor(api: Pick<CoreV1Api, 'listNamespacedEvent'>) {
    this.#api = api;
  }

  async count({ namespace, name }: NamedPod, signal: AbortSignal): Promise<number> {
    const fieldSelector = `involvedObject.kind=Pod,involvedObject.name=${name}`;
    const request = { namespace, fieldSelector, limit: MAX_EVENTS };
    const { items } = await this.#api
      .listNamespacedEvent(request, endingWith(signal))
      .catch((error: unknown) => {
        throw plainError(`cannot list the events of Pod ${namespace}/${name}`, error);
      });
    const started = uidsOf(items, (reason) => reason === STARTED);
    const takenAway = uidsOf(items, (reason) => TAKEN_AWAY.has(reason));
    return [...started].filter((uid) => !takenAway.has(uid)).length;
  }
}

function uidsOf(events: readonly CoreV1Event[], isMeant: (reason: string) => boolean): Set<string> {
  const meant = events.filter(({ reason = '' }) => isMeant(reason));
  return new Set(meant.flatMap(({ involvedObject: { uid } }) => uid ?? []));
}
