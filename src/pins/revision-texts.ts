import type { Revision } from './revision.ts';

/** A revision as it is kept where there are many: its values, first those of its key. What is not there is an empty text. */
export type RevisionTexts = readonly [
  namespace: string,
  kind: string,
  name: string,
  uid: string,
  apiVersion: string,
  hash: string,
  workloadKind: string,
  workloadName: string,
];

export const REVISION_TEXTS = 8;

export function textsOf(revision: Revision): RevisionTexts {
  const { apiVersion, kind, name, uid, namespace, hash = '', workload } = revision;
  return [namespace, kind, name, uid, apiVersion, hash, workload?.kind ?? '', workload?.name ?? ''];
}

/** The revision whose values are the first of these. */
export function revisionIn(texts: readonly string[]): Revision {
  const [namespace = '', kind = '', name = '', uid = '', apiVersion = '', hash = '', ...workload] = texts;
  const [workloadKind = '', workloadName = ''] = workload;
  return {
    apiVersion,
    kind,
    name,
    uid,
    namespace,
    ...(hash === '' ? {} : { hash }),
    ...(workloadName === '' ? {} : { workload: { kind: workloadKind, name: workloadName } }),
  };
}
