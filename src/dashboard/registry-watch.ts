import type { Numbers, RegistryCounts } from './numbers.ts';
import type { RegistryHealth, ShownRegistry } from './state.ts';

interface Seen {
  readonly counts: RegistryCounts;
  readonly askedAtMs: number;
  readonly health: RegistryHealth;
}

const NONE: RegistryCounts = { answered: 0, failed: 0, throttled: 0 };

/**
 * Whether registries answer, by the last minute in which each one was asked: a revision that is known asks nobody, so
 * silence says nothing. Holds as many registries as the metrics have names for.
 */
export class RegistryWatch {
  readonly #seen = new Map<string, Seen>();

  /** Looks at the numbers of this moment, and of a minute before. */
  look(earlier: Numbers, later: Numbers, atMs: number): void {
    for (const [registry, counts] of later.registries) {
      const before = this.#seen.get(registry);
      if (totalOf(counts) === totalOf(before?.counts ?? NONE)) continue;
      const health = healthOf(minus(counts, earlier.registries.get(registry) ?? NONE));
      this.#seen.set(registry, { counts, askedAtMs: atMs, health });
    }
  }

  /** All registries that were asked, by name. */
  shown(numbers: Numbers): ShownRegistry[] {
    return [...numbers.registries]
      .map(([registry, counts]) => ({
        registry,
        // Until the next look, all that is known is all that there was.
        health: this.#seen.get(registry)?.health ?? healthOf(counts),
        requests: totalOf(counts),
        failed: counts.failed + counts.throttled,
        askedAtMs: this.#seen.get(registry)?.askedAtMs,
        pullsRemaining: numbers.pullsRemaining.get(registry),
        breakersOpen: numbers.breakersOpen.get(registry) ?? 0,
      }))
      .toSorted((a, b) => a.registry.localeCompare(b.registry));
  }
}

function healthOf({ answered, failed, throttled }: RegistryCounts): RegistryHealth {
  if (answered === 0 && failed === 0 && throttled === 0) return 'not_asked';
  if (failed === 0 && throttled === 0) return 'answers';
  if (throttled >= failed && throttled > answered) return 'throttles';
  return answered === 0 ? 'fails' : 'some_fail';
}

function totalOf({ answered, failed, throttled }: RegistryCounts): number {
  return answered + failed + throttled;
}

function minus(later: RegistryCounts, earlier: RegistryCounts): RegistryCounts {
  return {
    answered: later.answered - earlier.answered,
    failed: later.failed - earlier.failed,
    throttled: later.throttled - earlier.throttled,
  };
}
