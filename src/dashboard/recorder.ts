import type { Decision, ImageDecision, Mode } from '../admission/outcome.ts';
import { masked } from '../telemetry/redact.ts';
import { RecentList } from './recent-list.ts';
import type { Recent, ShownPin, ShownRefusal, ShownTagMove } from './state.ts';

/** One decision, as far as the page shows it. */
export interface RecordedAdmission {
  readonly request: { readonly namespace: string; readonly name: string; readonly dryRun: boolean };
  readonly mode: Mode;
  readonly decision: Pick<Decision, 'outcome' | 'denial' | 'warnings' | 'images' | 'owner'>;
}

/** A tag that means something else than it did when this owner's Pods, or others before them, were pinned. */
export interface TagMovedEvent {
  readonly namespace: string;
  /** `ReplicaSet/web-5d8f`; empty where no revision showed it. */
  readonly owner: string;
  readonly reference: string;
  readonly from: string;
  readonly to: string;
}

type Entry<T> = Omit<T, 'atMs' | 'times'>;

const MAX_ENTRIES = 50;
/** What a Pod's author wrote may be megabytes long. */
const MAX_TEXT_LENGTH = 600;

/** The last pins, refusals and moved tags of this process, in memory of a fixed size. */
export class Recorder {
  readonly #now: () => Date;
  readonly #pins = new RecentList<Entry<ShownPin>>(MAX_ENTRIES);
  readonly #refusals = new RecentList<Entry<ShownRefusal>>(MAX_ENTRIES);
  readonly #tagMoves = new RecentList<Entry<ShownTagMove>>(MAX_ENTRIES);
  #version = 0;

  constructor({ now }: { readonly now: () => Date }) {
    this.#now = now;
  }

  /** Hears of every decision after it was answered, and of so many requests. */
  admission({ request, mode, decision }: RecordedAdmission, times = 1): void {
    const place = {
      namespace: clip(request.namespace),
      owner: clip(decision.owner ?? (request.name === '' ? 'Pod' : `Pod/${request.name}`)),
    };
    const kind = request.dryRun ? 'dry_run' : mode === 'audit' ? 'audit' : 'real';
    for (const image of decision.images) {
      if (image.result.is !== 'pinned') continue;
      const { digest, source } = image.result;
      if (decision.denial === undefined) this.#pin(place, image, { digest, source, kind }, times);
    }
    const failed = decision.images.flatMap(({ result }) => (result.is === 'failed' ? [result.code] : []));
    if (failed.length > 0 || decision.denial !== undefined) this.#refusal(place, decision, failed, times);
  }

  /** Hears that a tag moved, from whoever noticed. */
  tagMoved({ namespace, owner, reference, from, to }: TagMovedEvent): void {
    const move = { namespace: clip(namespace), owner: clip(owner), reference: clip(reference), from, to };
    this.#add(this.#tagMoves, keyOf(move.namespace, move.owner, move.reference, from, to), move, 1);
  }

  /** The lists as they stand; undefined where they are still those of `version`. */
  since(version: number): Recent | undefined {
    if (version === this.#version) return undefined;
    return {
      version: this.#version,
      pins: this.#pins.newestFirst,
      refusals: this.#refusals.newestFirst,
      tagMoves: this.#tagMoves.newestFirst,
    };
  }

  #pin(
    place: { readonly namespace: string; readonly owner: string },
    image: ImageDecision,
    how: Pick<ShownPin, 'digest' | 'source' | 'kind'>,
    times: number,
  ): void {
    const [container, reference] = [clip(image.container), clip(image.reference)];
    const key = keyOf(place.namespace, place.owner, container, reference, how.digest, how.kind);
    this.#add(this.#pins, key, { ...place, container, reference, ...how }, times);
  }

  #refusal(
    place: { readonly namespace: string; readonly owner: string },
    { outcome, denial, warnings }: RecordedAdmission['decision'],
    failed: readonly string[],
    times: number,
  ): void {
    const codes = [...new Set(failed)];
    const message = clip(masked(denial?.message ?? warnings.join('; ')));
    const key = keyOf(place.namespace, place.owner, outcome, message);
    this.#add(this.#refusals, key, { ...place, outcome, codes, message }, times);
  }

  #add<T>(list: RecentList<T>, key: string, entry: T, times: number): void {
    list.add(key, entry, this.#now().getTime(), times);
    this.#version += 1;
  }
}

/** One text for a list of texts; none of ours holds a NUL. */
function keyOf(...parts: readonly string[]): string {
  return parts.join('\0');
}

function clip(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return text;
  // A copy: V8 lets a slice hold all of the text that it was cut from.
  return `${Buffer.from(text.slice(0, MAX_TEXT_LENGTH)).toString()}…`;
}
