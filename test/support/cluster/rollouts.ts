import { until } from '../until.ts';
import type { Api, KubeObject } from './api.ts';

type Kind = 'deployments' | 'statefulsets' | 'daemonsets';
let restarts = 0;

function pathOf(namespace: string, kind: Kind, name: string): string {
  return `/apis/apps/v1/namespaces/${namespace}/${kind}/${name}`;
}

/** What `kubectl rollout restart` does: an annotation of the template, which makes a new revision. */
export async function restart(api: Api, namespace: string, kind: Kind, name: string): Promise<void> {
  restarts += 1;
  const annotations = { 'kubectl.kubernetes.io/restartedAt': `restart ${restarts}` };
  await api.patch(pathOf(namespace, kind, name), { spec: { template: { metadata: { annotations } } } });
}

export async function scale(api: Api, namespace: string, name: string, replicas: number): Promise<void> {
  await api.patch(`${pathOf(namespace, 'deployments', name)}/scale`, { spec: { replicas } });
}

/** Waits until the workload runs what its template says, with all its Pods. */
export async function rolledOut(api: Api, namespace: string, kind: Kind, name: string): Promise<KubeObject> {
  return until(
    `${kind}/${name} to be rolled out`,
    async () => {
      const object = await api.get(pathOf(namespace, kind, name));
      const { metadata, spec, status } = object;
      if (status.observedGeneration !== metadata.generation) return false;
      if (kind === 'daemonsets') {
        const wanted = status.desiredNumberScheduled;
        return (
          wanted > 0 && status.updatedNumberScheduled === wanted && status.numberReady === wanted && object
        );
      }
      const isWhole =
        status.updatedReplicas === spec.replicas &&
        status.replicas === spec.replicas &&
        status.readyReplicas === spec.replicas;
      return (isWhole || spec.replicas === 0) && object;
    },
    120_000,
  );
}

/** The ImagePins of a namespace. */
export async function pinsOf(api: Api, namespace: string): Promise<KubeObject[]> {
  const { items } = await api.get(`/apis/samebytes.dev/v1alpha1/namespaces/${namespace}/imagepins`);
  return items as KubeObject[];
}
