import { errorFields, type Logger } from './log.ts';

/** One decision, as far as the log shows it; admission's Decision and request have these fields. */
export interface LoggedAdmission {
  readonly request: {
    readonly uid: string;
    readonly operation: string;
    readonly namespace: string;
    readonly name: string;
    readonly dryRun: boolean;
  };
  readonly mode: string;
  readonly decision: {
    readonly outcome: string;
    readonly owner?: string | undefined;
    readonly revision?: { readonly kind: string; readonly name: string } | undefined;
    readonly images: readonly {
      readonly container: string;
      readonly reference: string;
      readonly result: Readonly<Record<string, unknown>> & { readonly is: string };
    }[];
  };
  readonly durationMs: number;
}

/** A line that is too long would be dropped, and nobody would hear of the decision: no Pod has so many. */
const MAX_IMAGES = 1_000;
/** Longer than any name of Kubernetes; the API server checks it after us. */
const MAX_NAME_LENGTH = 253;

/** Writes one line per decision: `warn` where an image got no digest though it should have one. */
export function logAdmission(log: Logger, { request, mode, decision, durationMs }: LoggedAdmission): void {
  const failed = decision.images.some(({ result }) => result.is === 'failed');
  const level = failed ? 'warn' : 'info';
  if (!log.isLevelEnabled(level)) return;
  const { revision } = decision;
  const images = decision.images
    .slice(0, MAX_IMAGES)
    .map(({ container, reference, result: { is, error, ...details } }) => ({
      container,
      reference,
      is,
      ...details,
      ...(error === undefined ? {} : { error: errorFields(error) }),
    }));
  log[level](
    {
      uid: request.uid,
      operation: request.operation,
      namespace: request.namespace,
      ...(request.name === '' ? {} : { pod: request.name.slice(0, MAX_NAME_LENGTH) }),
      ...(decision.owner === undefined ? {} : { owner: decision.owner }),
      ...(revision === undefined ? {} : { revision: `${revision.kind}/${revision.name}` }),
      mode,
      ...(request.dryRun ? { dryRun: true } : {}),
      outcome: decision.outcome,
      images,
      ...(decision.images.length > MAX_IMAGES ? { moreImages: decision.images.length - MAX_IMAGES } : {}),
      durationMs: Math.round(durationMs * 1000) / 1000,
    },
    'admission',
  );
}
