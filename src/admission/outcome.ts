import type { OwnerReference } from '../pins/revision.ts';
import type { ServedDigest } from '../pins/served-digest.ts';
import type { FailureCode } from './failure.ts';

/**
 * What an admission came to; the label `outcome` of `samebytes_admissions_total`, a log field and an audit
 * annotation. docs/outcomes.md explains each one; a test holds the two lists equal.
 */
export const OUTCOMES = [
  'pinned',
  'nothing_to_pin',
  'left_alone',
  'not_recorded',
  'admitted_unpinned',
  'refused',
  'would_pin',
  'would_refuse',
  'ignored',
  'mirror_pod',
  'invalid_pod',
  'internal_error',
  'overloaded',
  'invalid_review',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Which of our webhooks was called; the namespace's labels choose, the API server does the choosing. */
export const MODES = ['enabled', 'allow', 'audit'] as const;
export type Mode = (typeof MODES)[number];

/** What became of one image. */
export interface ImageDecision {
  /** The container's name, or `volume/NAME`. */
  readonly container: string;
  readonly reference: string;
  readonly result:
    | {
        readonly is: 'pinned';
        readonly digest: string;
        readonly source: DigestSource;
        readonly tookMs?: number | undefined;
      }
    | { readonly is: 'left'; readonly reason: LeftReason }
    | {
        readonly is: 'failed';
        readonly code: FailureCode;
        /** Whose credentials a registry was asked with, by the names of their Secrets; for the log. */
        readonly tried?: readonly string[];
        readonly error: unknown;
        /** How long it took to hear what the tag means, in milliseconds; where that was asked. */
        readonly tookMs?: number | undefined;
      };
}

/** Where a digest came from: the revision's pin, the Pod's own record, its siblings, the tag cache, or a registry. */
export type DigestSource = 'pin' | 'pod' | 'sibling' | 'cache' | 'registry';

/** Why an image was left as it was written, though it has no digest. */
export type LeftReason = 'policy_off' | 'custom_owner' | 'never_pulled' | 'invalid_reference' | 'recreated';

/** Everything that an admission decides; `admission/response.ts` makes the AdmissionReview of it. */
export interface Decision {
  readonly outcome: Outcome;
  /** Many Pods in a row get this very object: what is made of it is worth keeping with it. */
  readonly isRepeated?: true;
  /** Set where the Pod is refused. */
  readonly denial?: { readonly code: 403 | 503; readonly message: string } | undefined;
  readonly patch: readonly PatchOperation[];
  readonly warnings: readonly string[];
  readonly images: readonly ImageDecision[];
  /** `ReplicaSet/web-5d8f`, for the log; undefined for bare Pods. */
  readonly owner?: string | undefined;
  /** The same owner as an object that events can be about. */
  readonly ownerReference?: OwnerReference | undefined;
  /** What the Pod is a replica of, as far as the Pod tells. */
  readonly revision?: RevisionName | undefined;
  /** What the Pod got from its revision's pin, or what that holds since: empty where the decision leaves no trace. */
  readonly served?: readonly ServedDigest[];
  /** Why which images run by their tag, or are pinned for this Pod alone, though they should not: for events. */
  readonly notPinned?: readonly string[];
  /** How many annotations asked for a policy that the operator's rules do not allow. */
  readonly optOutsRefused: number;
}

/** A revision by what it is called. */
export interface RevisionName {
  readonly kind: string;
  readonly name: string;
}

/** One operation of a JSON Patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: unknown;
}
