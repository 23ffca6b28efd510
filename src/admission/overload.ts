import type { Decision, Mode } from './outcome.ts';
import type { AdmissionRequest } from './review.ts';

/** What a Pod's author and its events may read; never how much there is of what. */
const MESSAGE =
  'samebytes is overloaded, and had no time for this Pod. Controllers try again by themselves; the operator of samebytes can add replicas';

/**
 * The decision about a Pod that nobody had time for: as for any failure, each mode keeps its promise, and none stands in the way
 * of `kubectl debug`.
 */
export function overloadDecision(
  { subResource }: Pick<AdmissionRequest, 'subResource'>,
  mode: Mode,
): Decision {
  const nothing = { outcome: 'overloaded', patch: [], images: [], optOutsRefused: 0 } as const;
  if (mode === 'audit') return { ...nothing, warnings: [] };
  if (mode === 'enabled' && subResource !== 'ephemeralcontainers') {
    return { ...nothing, warnings: [], denial: { code: 503, message: MESSAGE } };
  }
  return { ...nothing, warnings: [`not pinned: ${MESSAGE}`] };
}
