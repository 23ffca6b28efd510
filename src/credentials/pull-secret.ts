/** What is behind the name of a pull secret. Of its data nothing is kept but the docker config of its type. */
export type PullSecret =
  | {
      readonly is: 'found';
      readonly type: string;
      /** The text under the key of its type; undefined where that is missing or empty, or the type is another. */
      readonly config: string | undefined;
    }
  /** `forbidden`: we may not read it. `unreadable`: the API server gave no useful answer. */
  | { readonly is: 'missing' | 'forbidden' | 'unreadable' };

/** Reads Secrets, one at a time and by name; the API server in the product. */
export interface PullSecrets {
  /** Never fails but by the signal. @throws the signal's reason. */
  read(namespace: string, name: string, signal: AbortSignal): Promise<PullSecret>;
}

/** The key under which each type of pull secret keeps its docker config. */
const CONFIG_KEYS: ReadonlyMap<string, string> = new Map([
  ['kubernetes.io/dockerconfigjson', '.dockerconfigjson'],
  ['kubernetes.io/dockercfg', '.dockercfg'],
]);

/** The one key of a Secret that matters; undefined for types that hold no docker config. */
export function configKeyOf(type: string): string | undefined {
  return CONFIG_KEYS.get(type);
}
