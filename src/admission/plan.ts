import type { JsonObject } from '../json/json-object.ts';
import {
  InvalidReferenceError,
  normalizedName,
  parseReference,
  type ImageReference,
} from '../image/reference.ts';
import type { PodOwner } from '../pins/revision.ts';
import { annotationOf } from '../pins/recorded-images.ts';
import type { ChangedImages } from './changed-images.ts';
import type { LeftReason } from './outcome.ts';
import type { PodImage } from './pod-images.ts';
import {
  readPolicyAnnotation,
  type PolicyAnnotation,
  type PolicyContext,
  type PolicyRules,
} from './policy.ts';

/** The Pod annotation by which a Pod chooses its policy. */
export const POLICY_ANNOTATION = 'samebytes.dev/policy';

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

/** Chooses, image by image, what is to be done; asks nobody. Images with a digest are not in the plan. */
export function planImages(
  { images, putBack }: ChangedImages,
  pod: JsonObject,
  owner: PodOwner,
  namespace: string,
  rules: PolicyRules,
): Plan {
  const text = annotationOf(pod, POLICY_ANNOTATION);
  const annotation = text === undefined ? undefined : readPolicyAnnotation(text);
  const context = policyContext(owner, namespace);
  const planned: PlannedImage[] = [];
  let optOutsRefused = 0;
  for (const image of images) {
    const reference = readImage(image);
    if (reference === undefined) continue;
    if (reference instanceof InvalidReferenceError) {
      planned.push({ image, do: 'leave', reason: 'invalid_reference', detail: reference.message });
      continue;
    }
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
      const name = normalizedName(reference);
      planned.push({ image, do: choice.policy, reference, name, mayBeLeft: choice.mayOptOut });
    }
  }
  return { images: planned, warnings: annotationWarnings(annotation, optOutsRefused), optOutsRefused };
}

/** The reference that needs a digest; undefined where there is none to give: no image, or one with a digest. */
function readImage({ image }: PodImage): ImageReference | InvalidReferenceError | undefined {
  if (image === '') return undefined;
  try {
    const reference = parseReference(image);
    return reference.digest === undefined ? reference : undefined;
  } catch (error) {
    if (error instanceof InvalidReferenceError) return error;
    throw error;
  }
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
