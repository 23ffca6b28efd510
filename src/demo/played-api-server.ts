import { randomUUID } from 'node:crypto';
import { applyPatch, type Operation } from 'rfc6902';
import { Agent, request } from 'undici';

/** A Pod as far as the demo looks at it. */
export interface PlayedPod {
  metadata: {
    name: string;
    namespace: string;
    labels: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences: readonly object[];
  };
  spec: { containers: { name: string; image: string; imagePullPolicy: string; env: object[] }[] };
}

/** A ReplicaSet: one revision of a Deployment. */
export interface PlayedReplicaSet {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly image: string;
}

export type Admission =
  | { readonly admitted: true; readonly pod: PlayedPod }
  | { readonly admitted: false; readonly code: number; readonly message: string };

interface ReviewAnswer {
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly patchType?: string;
    readonly patch?: string;
    readonly status?: { readonly code: number; readonly message: string };
  };
}

/**
 * Plays the API server and the ReplicaSet controller: sends admission reviews over TLS as the API server does, and
 * applies the patches with a JSON Patch library that the webhook does not use.
 */
export class PlayedApiServer {
  readonly #url: string;
  readonly #agent: Agent;
  #created = 0;

  constructor({ port, ca }: { port: number; ca: string }) {
    this.#url = `https://localhost:${port}/mutate/enabled?timeout=5s`;
    this.#agent = new Agent({ connect: { ca }, keepAliveTimeout: 1_000 });
  }

  /** A new revision of a Deployment. */
  newReplicaSet(image: string, { namespace, name } = { namespace: 'shop', name: 'web' }): PlayedReplicaSet {
    const uid = randomUUID();
    return { namespace, name: `${name}-${uid.slice(0, 8)}`, uid, image };
  }

  /** Creates a Pod of the revision and returns what came of it. */
  async createPod(replicaSet: PlayedReplicaSet): Promise<Admission> {
    this.#created += 1;
    const pod = podOf(replicaSet, this.#created);
    const uid = randomUUID();
    const { statusCode, body } = await request(this.#url, {
      dispatcher: this.#agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(reviewOf(uid, pod)),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the webhook answered with status ${statusCode}: ${text}`);
    const { response } = readAnswer(text);
    if (response.uid !== uid) throw new Error('the webhook answered another request');
    if (!response.allowed) {
      return { admitted: false, code: response.status?.code ?? 0, message: response.status?.message ?? '' };
    }
    if (response.patch !== undefined) {
      const patch = readPatch(response.patch);
      const failed = applyPatch(pod, patch).find((problem) => problem !== null);
      if (failed) throw failed;
    }
    return { admitted: true, pod };
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}

// The webhook's answer is taken at its word here: what is wrong with it shows in the Pods.
function readAnswer(text: string): ReviewAnswer {
  const answer: ReviewAnswer = JSON.parse(text);
  return answer;
}

function readPatch(base64: string): Operation[] {
  const patch: Operation[] = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  return patch;
}

function podOf({ namespace, name, uid, image }: PlayedReplicaSet, number: number): PlayedPod {
  return {
    metadata: {
      name: `${name}-${number}`,
      namespace,
      labels: { app: 'web' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true }],
    },
    spec: { containers: [{ name: 'web', image, imagePullPolicy: 'IfNotPresent', env: [] }] },
  };
}

function reviewOf(uid: string, pod: PlayedPod): object {
  const { name, namespace } = pod.metadata;
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  const resource = { group: '', version: 'v1', resource: 'pods' };
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind,
      resource,
      requestKind: kind,
      requestResource: resource,
      name,
      namespace,
      operation: 'CREATE',
      userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
      object: { apiVersion: 'v1', kind: 'Pod', ...pod },
      oldObject: null,
      dryRun: false,
      options: { apiVersion: 'meta.k8s.io/v1', kind: 'CreateOptions' },
    },
  };
}
