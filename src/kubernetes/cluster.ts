import { existsSync } from 'node:fs';
import type { KubeConfig } from '@kubernetes/client-node';
import { ClusterConnection } from './cluster-connection.ts';

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Thrown where a kubeconfig was named and cannot be used. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
  readonly code = 'invalid_kubeconfig';
}

export interface UsersCluster {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/**
 * How to reach the cluster: by the kubeconfig where one is named, else by the service account of the Pod that we
 * run in; undefined where there is neither, as on a laptop.
 * @throws {KubeconfigError}
 */
export function findCluster(kubeconfig: string | undefined): ClusterConnection | undefined {
  const config = new ClusterConnection({ now: () => performance.now() });
  if (kubeconfig !== undefined) {
    try {
      config.loadFromFile(kubeconfig);
    } catch (cause) {
      throw new KubeconfigError(`cannot use the kubeconfig ${kubeconfig}`, { cause });
    }
    if (config.getCurrentCluster() === null) {
      throw new KubeconfigError(`the kubeconfig ${kubeconfig} names no current cluster`);
    }
    return config;
  }
  if (!existsSync(SERVICE_ACCOUNT_TOKEN)) return undefined;
  config.loadFromCluster();
  return config;
}

/**
 * The cluster of whoever types a command, found as kubectl finds it: the kubeconfig that is named, else `KUBECONFIG`, else
 * `~/.kube/config`, else the Pod's service account; undefined where there is none of these. `context` chooses in it.
 * @throws {KubeconfigError}
 */
export function findUsersCluster({ kubeconfig, context }: UsersCluster): ClusterConnection | undefined {
  const config = new ClusterConnection({ now: () => performance.now() });
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (cause) {
    throw new KubeconfigError(
      `cannot use the kubeconfig${kubeconfig === undefined ? '' : ` ${kubeconfig}`}`,
      {
        cause,
      },
    );
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null)
      throw new KubeconfigError(`the kubeconfig has no context ${context}`);
    config.setCurrentContext(context);
  }
  if (config.getCurrentCluster() === null)
    throw new KubeconfigError('the kubeconfig names no current cluster');
  return isMadeUp(config) ? undefined : config;
}

/** Where it finds nothing, the client invents a cluster on this machine. */
function isMadeUp(config: KubeConfig): boolean {
  return config.getCurrentContext() === 'loaded-context' && config.getCurrentCluster()?.name === 'cluster';
}

/** The namespace that we run in: the service account's, or the kubeconfig's; `samebytes` where neither says. */
export function ownNamespace(cluster: KubeConfig): string {
  return cluster.getContextObject(cluster.getCurrentContext())?.namespace ?? 'samebytes';
}
