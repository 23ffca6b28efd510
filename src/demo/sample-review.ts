import review from './admission-review.json' with { type: 'json' };

/** The registry that the sample's image names. */
const SAMPLE_REGISTRY = 'localhost:5000';

/**
 * An AdmissionReview as a real API server sent it for the first Pod of a ReplicaSet (`admission-review.json`, byte for
 * byte), with the registry's host replaced by one that answers.
 */
export function sampleReview(registryHost: string): string {
  return JSON.stringify(review).replaceAll(SAMPLE_REGISTRY, registryHost);
}
