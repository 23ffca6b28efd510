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
    readonly images: readonly {
      readonly container: string;
      readonly reference: string;
      readonly result: Readonly<Record<string, unknown>> & { readonly is: string };
    }[];
  };
  readonly durationMs: number;
}

/** Writes one line per decision: `warn` where an image got no digest though it should have one. */
export function logAdmission(log: Logger, { request, mode, decision, durationMs }: LoggedAdmission): void {
  const failed = decision.images.some(({ result }) => result.is === 'failed');
  const level = failed ? 'warn' : 'info';
  if (!log.isLevelEnabled(level)) return;
  const images = decision.images.map(({ container, reference, result }) => {
    const image = { container, reference, ...result };
    return result['error'] === undefined ? image : { ...image, error: errorFields(result['error']) };
  });
  log.writePlain(
    level,
    {
      uid: request.uid,
      operation: request.operation,
      namespace: request.namespace,
      pod: request.name === '' ? undefined : request.name,
      owner: decision.owner,
      mode,
      dryRun: request.dryRun ? true : undefined,
      outcome: decision.outcome,
      images,
      durationMs: Math.round(durationMs * 1000) / 1000,
    },
    'admission',
  );
}
