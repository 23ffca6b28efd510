import type { JsonObject } from '../json/json-object.ts';
import { errorFields, type Logger, type RepeatedLine } from './log.ts';

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
    readonly isRepeated?: true;
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
const MESSAGE = 'admission';
/** Longer than any name of Kubernetes; the API server checks it after us. */
const MAX_NAME_LENGTH = 253;

/** Writes one line per decision: `warn` where an image got no digest though it should have one. */
export class AdmissionLog {
  readonly #log: Logger;
  /** Those of repeated decisions, for as long as there are these. */
  readonly #lines = new WeakMap<LoggedAdmission['decision'], RepeatedLine>();

  constructor(log: Logger) {
    this.#log = log;
  }

  write(admission: LoggedAdmission): void {
    const { decision } = admission;
    const level = decision.images.some(({ result }) => result.is === 'failed') ? 'warn' : 'info';
    if (!this.#log.isLevelEnabled(level)) return;
    const fields = requestFields(admission);
    if (decision.isRepeated !== true) {
      this.#log[level]({ ...fields, ...decisionFields(decision) }, MESSAGE);
      return;
    }
    let line = this.#lines.get(decision);
    if (line === undefined) {
      line = this.#log.repeated(level, decisionFields(decision), MESSAGE);
      this.#lines.set(decision, line);
    }
    line(fields);
  }
}

function requestFields({ request, mode, durationMs }: LoggedAdmission): JsonObject {
  const { uid, operation, namespace, name, dryRun } = request;
  return {
    uid,
    operation,
    namespace,
    ...(name === '' ? {} : { pod: name.slice(0, MAX_NAME_LENGTH) }),
    mode,
    ...(dryRun ? { dryRun: true } : {}),
    durationMs: Math.round(durationMs * 1000) / 1000,
  };
}

function decisionFields({ outcome, owner, revision, images }: LoggedAdmission['decision']): JsonObject {
  const shown = images
    .slice(0, MAX_IMAGES)
    .map(({ container, reference, result: { is, error, ...details } }) => ({
      container,
      reference,
      is,
      ...details,
      ...(error === undefined ? {} : { error: errorFields(error) }),
    }));
  return {
    ...(owner === undefined ? {} : { owner }),
    ...(revision === undefined ? {} : { revision: `${revision.kind}/${revision.name}` }),
    outcome,
    images: shown,
    ...(images.length > MAX_IMAGES ? { moreImages: images.length - MAX_IMAGES } : {}),
  };
}
