import type { CoreV1Api, V1Pod } from '@kubernetes/client-node';

/** A Pod that runs a webhook process. */
export interface WebhookPod {
  readonly name: string;
  readonly isReady: boolean;
}

const SELECTOR = 'app.kubernetes.io/name=samebytes';
const MAX_PODS = 500;

/** The Pods of samebytes in a namespace that are not on their way out, ready ones first, then by name. */
export async function webhookPods(
  api: Pick<CoreV1Api, 'listNamespacedPod'>,
  namespace: string,
): Promise<WebhookPod[]> {
  const { items } = await api.listNamespacedPod({ namespace, labelSelector: SELECTOR, limit: MAX_PODS });
  return items
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map((pod) => ({ name: pod.metadata?.name ?? '', isReady: isReady(pod) }))
    .toSorted((a, b) => Number(b.isReady) - Number(a.isReady) || a.name.localeCompare(b.name));
}

function isReady({ status }: V1Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}
