import { isObject, type JsonObject } from '../json/json-object.ts';
import { InvalidPodError } from './pod-images.ts';

/**
 * The pull secrets that a Pod names, in its order. Empty names are passed over, as the kubelet does
 * (pkg/kubelet/kubelet_pods.go): the API server lets them be.
 * @throws {InvalidPodError} where the list has the wrong type.
 */
export function pullSecretNames(pod: JsonObject): string[] {
  const spec = pod['spec'];
  const list = (isObject(spec) ? spec['imagePullSecrets'] : undefined) ?? [];
  if (!Array.isArray(list) || !list.every(isObject)) {
    throw new InvalidPodError('spec.imagePullSecrets is not a list of objects');
  }
  return list.flatMap(({ name }) => {
    if (name !== undefined && name !== null && typeof name !== 'string')
      throw new InvalidPodError('the name of a pull secret is not a string');
    return name ? [name] : [];
  });
}
