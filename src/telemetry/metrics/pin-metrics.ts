import { Counter, Gauge, type Registry } from 'prom-client';

/** What becomes of pins. */
export class PinMetrics {
  readonly #created: Counter;
  readonly #ended: Counter;
  readonly #conflicts: Counter;
  readonly #watchGaps: Counter;
  readonly #revisionsSplit: Counter;
  readonly #podsLeftAlone: Counter;
  readonly #tagsMoved: Counter;
  readonly #oldDigestsServed: Counter;
  #isMemoryOpen = (): boolean => false;

  constructor(registry: Registry) {
    const registers = [registry];
    const isMemoryOpen = (): boolean => this.#isMemoryOpen();
    this.#created = new Counter({
      name: 'samebytes_pins_created_total',
      help: 'Revisions that got a pin from this process.',
      registers,
    });
    this.#ended = new Counter({
      name: 'samebytes_pins_ended_total',
      help: 'Pins whose end this process was told of: all of the cluster, by every process.',
      registers,
    });
    this.#conflicts = new Counter({
      name: 'samebytes_pin_conflicts_total',
      help: 'Writes of a pin that another process was faster with; its digests were used.',
      registers,
    });
    registry.registerMetric(
      new Gauge({
        name: 'samebytes_pin_memory_open',
        help: '1 while pins are remembered; 0 while deletions cannot be followed, and each Pod costs a read of its pin.',
        registers: [],
        collect() {
          this.set(isMemoryOpen() ? 1 : 0);
        },
      }),
    );
    this.#watchGaps = new Counter({
      name: 'samebytes_pin_watch_gaps_total',
      help: 'Tries to follow the deletions of pins that failed or broke off.',
      registers,
    });
    this.#revisionsSplit = new Counter({
      name: 'samebytes_revisions_split_total',
      help: 'Births of revisions whose Pods run different digests of one reference already.',
      registers,
    });
    this.#podsLeftAlone = new Counter({
      name: 'samebytes_pods_left_alone_total',
      help: 'Pods that are left alone since they were recreated over and over right after they were pinned.',
      registers,
    });
    this.#tagsMoved = new Counter({
      name: 'samebytes_tags_moved_total',
      help: 'Tags that moved away from a digest that a revision is pinned to, as far as this process has seen; each move once.',
      registers,
    });
    this.#oldDigestsServed = new Counter({
      name: 'samebytes_old_digests_served_total',
      help: 'Digests of pins that were given to Pods though the tag was known to have moved since; what pins are for.',
      registers,
    });
  }

  /** From now on `isOpen` is asked whenever metrics are asked for. */
  watchMemory(isOpen: () => boolean): void {
    this.#isMemoryOpen = isOpen;
  }

  countCreated(): void {
    this.#created.inc();
  }

  countEnded(): void {
    this.#ended.inc();
  }

  countConflict(): void {
    this.#conflicts.inc();
  }

  countWatchGap(): void {
    this.#watchGaps.inc();
  }

  countRevisionSplit(): void {
    this.#revisionsSplit.inc();
  }

  countTagMoved(): void {
    this.#tagsMoved.inc();
  }

  countOldDigestServed(pods: number): void {
    this.#oldDigestsServed.inc(pods);
  }

  countPodLeftAlone(): void {
    this.#podsLeftAlone.inc();
  }
}
