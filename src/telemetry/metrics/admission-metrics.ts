import { Counter, Histogram, type Registry } from 'prom-client';
import { NOT_WAITED, type Waited } from '../waits.ts';
import { SECONDS_BUCKETS } from './buckets.ts';

/** How long one admission request took to be answered. */
export interface TimedAdmission {
  readonly durationMs: number;
  /** How much of that was spent waiting, and for whom. */
  readonly waited: Waited;
}

/** A decision, as far as it is counted. */
export interface CountedDecision {
  readonly outcome: string;
  readonly optOutsRefused: number;
  /** Why images got no digest, a code for each. */
  readonly failures: readonly string[];
}

/** What admissions came to, and where their time went. */
export class AdmissionMetrics {
  readonly #admissions: Counter<'outcome'>;
  readonly #seconds: Histogram;
  readonly #partSeconds: Histogram<'part'>;
  readonly #failures: Counter<'code'>;
  readonly #optOutsRefused: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#admissions = new Counter({
      name: 'samebytes_admissions_total',
      help: 'Admission requests, by what each came to.',
      labelNames: ['outcome'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'samebytes_admission_duration_seconds',
      help: 'Time from the arrival of an admission request to its answer.',
      buckets: SECONDS_BUCKETS,
      registers,
    });
    this.#partSeconds = new Histogram({
      name: 'samebytes_admission_part_duration_seconds',
      help: 'The parts of that time: waiting for the API server (api) and for registries (registry), by the admissions that did; the rest (cache). Time in which both are waited for is of part registry.',
      labelNames: ['part'],
      buckets: SECONDS_BUCKETS,
      registers,
    });
    this.#failures = new Counter({
      name: 'samebytes_images_failed_total',
      help: 'Images that should have got a digest and got none, by reason.',
      labelNames: ['code'],
      registers,
    });
    this.#optOutsRefused = new Counter({
      name: 'samebytes_opt_outs_refused_total',
      help: "Images whose Pod's annotation asked for a policy that the operator's rules do not allow.",
      registers,
    });
  }

  /** Makes counters start at 0: an increase from nothing to 1 is none for Prometheus. */
  startAtZero(outcomes: readonly string[], failures: readonly string[]): void {
    for (const outcome of outcomes) this.#admissions.inc({ outcome }, 0);
    for (const code of failures) this.#failures.inc({ code }, 0);
    for (const part of ['api', 'registry', 'cache']) this.#partSeconds.zero({ part });
  }

  /** A request that held no AdmissionReview, or that there was no room to read. */
  countUnread(outcome: 'invalid_review' | 'overloaded', durationMs: number): void {
    this.time({ durationMs, waited: NOT_WAITED });
    this.count({ outcome, optOutsRefused: 0, failures: [] }, 1);
  }

  /** So many requests got this decision. */
  count({ outcome, optOutsRefused, failures }: CountedDecision, times: number): void {
    this.#admissions.inc({ outcome }, times);
    if (optOutsRefused > 0) this.#optOutsRefused.inc(optOutsRefused * times);
    for (const code of failures) this.#failures.inc({ code }, times);
  }

  time({ durationMs, waited }: TimedAdmission): void {
    this.#seconds.observe(durationMs / 1000);
    const restMs = durationMs - (waited.api ?? 0) - (waited.registry ?? 0);
    this.#partSeconds.observe({ part: 'cache' }, Math.max(0, restMs) / 1000);
    if (waited.api !== undefined) this.#partSeconds.observe({ part: 'api' }, waited.api / 1000);
    if (waited.registry !== undefined)
      this.#partSeconds.observe({ part: 'registry' }, waited.registry / 1000);
  }
}
