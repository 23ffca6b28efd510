/** Why a pull secret is not used, in words for the Pod's author: which one, what is wrong, what to do. */
export interface SecretProblem {
  readonly code: SecretProblemCode;
  readonly text: string;
  /** Whether it may pass without anyone changing anything. */
  readonly passes: boolean;
}

export type SecretProblemCode = keyof typeof TEXTS;

const ANEW = 'create it anew with `kubectl create secret docker-registry`';

const TEXTS = {
  missing: (secret: string) =>
    `Secret ${secret} does not exist in this namespace: create it, or take it out of imagePullSecrets`,
  forbidden: (secret: string) =>
    `Secret ${secret} may not be read by samebytes: bind ClusterRole samebytes-pull-secrets to it in this namespace (RoleBinding samebytes-pull-secrets)`,
  unreadable: (secret: string) =>
    `Secret ${secret} could not be read: the API server gave no answer; it is tried again with the Pod`,
  wrong_type: (secret: string, type: string) =>
    `Secret ${secret} is of type ${quote(type)}, which holds no docker config: ${ANEW}`,
  no_config: (secret: string, key: string) => `Secret ${secret} has nothing under ${key}: ${ANEW}`,
  invalid_config: (secret: string, what: string) =>
    `Secret ${secret} holds no docker config (${what}), and nodes fail to pull with it: ${ANEW}`,
  too_many_secrets: (secret: string, limit: string) =>
    `Secret ${secret} and what follows it in imagePullSecrets is not read: name ${limit} at most`,
  too_many_entries: (secret: string, limit: string) =>
    `Secret ${secret} has more than ${limit} entries, of which the first are used: split it`,
  no_cluster: (secret: string) => `Secret ${secret} is not read: this samebytes runs without a cluster`,
} as const;

/** The problem of the Secret with this name. `what` is said of its content, and holds nothing of it. */
export function secretProblem(code: SecretProblemCode, name: string, what = ''): SecretProblem {
  return { code, text: TEXTS[code](quote(name), what), passes: code === 'unreadable' };
}

/** Warnings are cut at 256 characters: a name must not push the advice out. */
function quote(text: string): string {
  return JSON.stringify(text.length > 63 ? `${text.slice(0, 62)}…` : text);
}
