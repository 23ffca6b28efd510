import { existsSync } from 'node:fs';
import type { KubeConfig } from '@kubernetes/client-node';
import { KubeConfigWithKeptConnections } from './kept-connections.ts';

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Thrown where a kubeconfig was named and cannot be used. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
  readonly code = 'invalid_kubeconfig';
}

/**
 * How to reach the cluster: by the kubeconfig where one is named, else by the service account of the Pod that we
 * run in; undefined where there is neither, as on a laptop.
 * @throws {KubeconfigError}
 */
export function findCluster(kubeconfig: string | undefined): KubeConfig | undefined {
  const config = new KubeConfigWithKeptConnections();
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

/** The namespace that we run in: the service account's, or the kubeconfig's; `samebytes` where neither says. */
export function ownNamespace(cluster: KubeConfig): string {
  return cluster.getContextObject(cluster.getCurrentContext())?.namespace ?? 'samebytes';
}
