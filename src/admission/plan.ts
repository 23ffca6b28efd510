import type { JsonObject } from '../json/json-object.ts';
import { InvalidReferenceError, type ImageReference } from '../image/reference.ts';
import type { PodOwner } from '../pins/revision.ts';
import { annotationOf } from '../pins/recorded-images.ts';
import type { ChangedImages } from './changed-images.ts';
import type { LeftReason } from './outcome.ts';
import { InvalidPodError, type PodImage } from './pod-images.ts';
import type { ReferenceMemory } from './reference-memory.ts';
import {
  readPolicyAnnotation,
  type PolicyAnnotation,
  type PolicyContext,
  type PolicyRules,
} from './policy.ts';

/** The Pod annotation by which a Pod chooses its policy. */
export const POLICY_ANNOTATION = 'samebytes.dev/policy';

/** So many different images without a digest may one Pod have: eight times what its pin holds. */
const MAX_DIFFERENT_IMAGES = 1_000;

/** What is to be done about one image that has no digest. */
export type PlannedImage =
  | { readonly image: PodImage; readonly do: 'leave'; readonly reason: LeftReason; readonly detail?: string }
  | {
      readonly image: PodImage;
      readonly do: 'put_back';
      readonly reference: ImageReference;
      readonly digest: string;
    }
  | {
      readonly image: PodImage;
      readonly do: 'sticky' | 'follow';
      readonly reference: ImageReference;
      readonly name: string;
      /** Whether it may be left alone where its Pod is recreated for ever. */
      readonly mayBeLeft: boolean;
    };

export interface Plan {
  readonly images: readonly PlannedImage[];
  readonly warnings: readonly string[];
  readonly optOutsRefused: number;
}

/**
 * Chooses, image by image, what is to be done; asks nobody. Images with a digest are not in the plan.
 * @throws {InvalidPodError} where more different images would have to be looked up than any Pod has.
 */
export function planImages(
  { images, putBack }: ChangedImages,
  pod: JsonObject,
  owner: PodOwner,
  namespace: string,
  rules: PolicyRules,
  known: Pick<ReferenceMemory, 'read'>,
): Plan {
  const text = annotationOf(pod, POLICY_ANNOTATION);
  const annotation = text === undefined ? undefined : readPolicyAnnotation(text);
  const context = policyContext(owner, namespace);
  const planned: PlannedImage[] = [];
  const different = new Set<string>();
  let optOutsRefused = 0;
  for (const image of images) {
    // No image is reported by Kubernetes itself; one with a digest needs none.
    if (image.image === '') continue;
    const read = known.read(image.image);
    if (read instanceof InvalidReferenceError) {
      planned.push({ image, do: 'leave', reason: 'invalid_reference', detail: read.message });
      continue;
    }
    const { reference, name } = read;
    if (reference.digest !== undefined) continue;
    const choice = rules.choose(reference, image.name, annotation, context);
    if (choice.optOutRefused) optOutsRefused += 1;
    const digest = putBack(image.name, reference);
    if (image.pullPolicy === 'Never') planned.push({ image, do: 'leave', reason: 'never_pulled' });
    else if (choice.policy === 'off') {
      planned.push({
        image,
        do: 'leave',
        reason: choice.reason === 'custom_owner' ? 'custom_owner' : 'policy_off',
      });
    } else if (digest !== undefined) planned.push({ image, do: 'put_back', reference, digest });
    else {
      different.add(name);
      if (different.size > MAX_DIFFERENT_IMAGES)
        throw new InvalidPodError(`it has more than ${MAX_DIFFERENT_IMAGES} different images`);
      planned.push({ image, do: choice.policy, reference, name, mayBeLeft: choice.mayOptOut });
    }
  }
  return { images: planned, warnings: annotationWarnings(annotation, optOutsRefused), optOutsRefused };
}

function policyContext(owner: PodOwner, namespace: string): PolicyContext {
  if (owner.type === 'none') return { namespace, ownerKinds: ['None'], customOwner: false };
  const { apiVersion, kind } = owner.owner;
  const [group = ''] = apiVersion.includes('/') ? apiVersion.split('/') : [];
  const ownerKinds = owner.type === 'custom' ? [`${kind}.${group}`] : [kind, `${kind}.${group}`];
  return { namespace, ownerKinds, customOwner: owner.type === 'custom' };
}

function annotationWarnings(annotation: PolicyAnnotation | undefined, optOutsRefused: number): string[] {
  const warnings: string[] = [];
  if (annotation !== undefined && annotation.unreadable.length > 0) {
    const parts = annotation.unreadable.map((part) => JSON.stringify(part)).join(', ');
    warnings.push(
      `annotation ${POLICY_ANNOTATION}: cannot read ${parts}; write sticky, follow, off or CONTAINER=POLICY`,
    );
  }
  if (optOutsRefused > 0) {
    warnings.push(`annotation ${POLICY_ANNOTATION} has no effect here: the cluster's rules do not allow it`);
  }
  return warnings;
}
