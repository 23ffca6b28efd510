import { createHash, randomUUID } from 'node:crypto';
import { sampleReview } from '../src/demo/sample-review.ts';

/** Which Pods a load sends. Plain values: they travel between processes. */
export interface PodsToSend {
  /** `host:port` of the registry in the images. */
  readonly registry: string;
  /** Names the revisions, so that two loads meet the same ones, or not. */
  readonly seed: string;
  /** After so many revisions the first one comes again; 1 sends replicas of one revision. */
  readonly revisions: number;
  /** The number of the first revision. */
  readonly from?: number;
  readonly containers: number;
  /** After so many tags the first one comes again. */
  readonly tags: number;
}

/** As many as a Deployment keeps by itself (`revisionHistoryLimit`). */
const REVISIONS_PER_WORKLOAD = 10;
const REVISIONS_PER_NAMESPACE = 500;

interface SampleReview {
  request: {
    uid: string;
    namespace: string;
    object: {
      metadata: {
        namespace: string;
        labels: Record<string, string>;
        ownerReferences: { uid: string; name: string }[];
      };
      spec: { containers: { name: string; image: string }[] };
    };
  };
}

/** The body of the load's nth review: one that a real API server sent, for a Pod of a ReplicaSet. */
export function reviewBody(pods: PodsToSend, n: number): string {
  const { registry, seed, containers, tags } = pods;
  const revision = (n % pods.revisions) + (pods.from ?? 0);
  const review = JSON.parse(sampleReview(registry)) as SampleReview;
  const { metadata, spec } = review.request.object;
  const [owner] = metadata.ownerReferences;
  const [container] = spec.containers;
  if (owner === undefined || container === undefined) throw new Error('the sample is no Pod of a ReplicaSet');
  review.request.uid = randomUUID();
  owner.uid = uuidOf(`${seed} ${revision}`);
  // As the Deployment's controller does: by its hash the other Pods of the revision are found.
  owner.name = `web-${Math.floor(revision / REVISIONS_PER_WORKLOAD)}-${revision}`;
  review.request.namespace = metadata.namespace = `bench-${Math.floor(revision / REVISIONS_PER_NAMESPACE)}`;
  metadata.labels['pod-template-hash'] = String(revision);
  spec.containers = Array.from({ length: containers }, (_, index) => ({
    ...container,
    name: `c${index}`,
    image: `${registry}/bench/app-${index}:${revision % tags}`,
  }));
  return JSON.stringify(review);
}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
