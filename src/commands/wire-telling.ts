import type { Decision } from '../admission/outcome.ts';
import type { Recorder } from '../dashboard/recorder.ts';
import type { AdmissionEvent } from '../server/webhook-app.ts';
import { AdmissionLog } from '../telemetry/admission-log.ts';
import { Gathering } from '../telemetry/gathering.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { WiredDecider } from './wire-decider.ts';

/** Those who hear of decisions, besides metrics and log. */
export interface Listeners extends Pick<WiredDecider, 'tellOwner' | 'tellServed'> {
  /** The page of this process, where it has one. */
  readonly recorder: Recorder | undefined;
}

export interface Telling {
  /** A decision was answered: everybody is told within a moment. */
  readonly admission: (event: AdmissionEvent) => void;
  /** Tells what is not told yet, and no more. */
  readonly close: () => void;
}

/** A millisecond's work. */
const MAX_GATHERED = 32;
const GATHER_MS = 10;

/** Joins decisions with all who hear of them once they are answered, and in the order in which they were. */
export function wireTelling(
  { metrics, log }: { readonly metrics: Metrics; readonly log: Logger },
  { recorder, tellOwner, tellServed }: Listeners,
): Telling {
  const admissions = new AdmissionLog(log);
  const tellEach = (event: AdmissionEvent): void => {
    guarded(log, () => metrics.admissions.time(event));
    guarded(log, () => admissions.write(event));
  };
  const tellServedDigests = ({ decision: { served = [] } }: AdmissionEvent, times: number): void => {
    for (const one of served) guarded(log, () => tellServed(one, times));
  };
  const tellTogether = (event: AdmissionEvent, times: number): void => {
    const { decision } = event;
    const { outcome, optOutsRefused } = decision;
    const counted = { outcome, optOutsRefused, failures: failuresOf(decision) };
    guarded(log, () => metrics.admissions.count(counted, times));
    guarded(log, () => recorder?.admission(event, times));
    guarded(log, () => tellOwner(event));
    if (decision.isRepeated === true) tellServedDigests(event, times);
  };
  const gathering = new Gathering<AdmissionEvent>({
    max: MAX_GATHERED,
    waitMs: GATHER_MS,
    handOn: (events) => {
      const together = new Map<Decision, { event: AdmissionEvent; times: number }>();
      const tell = (event: AdmissionEvent): void => {
        tellEach(event);
        const { times } = together.get(event.decision) ?? { times: 0 };
        // By the last of each: the newest owner is the newest for the page, too.
        together.delete(event.decision);
        together.set(event.decision, { event, times: times + 1 });
      };
      for (const event of events) tell(event);
      for (const { event, times } of together.values()) tellTogether(event, times);
    },
  });
  // Whoever reads the metrics finds every answer that was given before.
  metrics.beforeReading(gathering.flush);
  // Before the log's own last lines.
  process.prependOnceListener('exit', gathering.flush);
  return {
    admission: (event) => {
      // What a birth recorded must be known before the next registry answer is: only then has a tag moved.
      if (event.decision.isRepeated !== true) tellServedDigests(event, 1);
      gathering.add(event);
    },
    close: () => {
      gathering.flush();
      process.off('exit', gathering.flush);
    },
  };
}

/** What goes wrong for one must not keep the others from being told. */
function guarded(log: Logger, tell: () => void): void {
  try {
    tell();
  } catch (error) {
    log.error({ error: errorFields(error) }, 'a decision could not be told');
  }
}

function failuresOf({ images }: Decision): string[] {
  return images.flatMap(({ result }) => (result.is === 'failed' ? [result.code] : []));
}
