import type {
  RegistryEvents,
  RegistryNotice,
  RegistryRequestEvent,
} from '../../src/telemetry/registry-events.ts';

/** Keeps what the registry client tells of itself, for a test to read. */
export class SeenEvents implements RegistryEvents {
  readonly requests: RegistryRequestEvent[] = [];
  readonly notices: RegistryNotice[] = [];
  readonly pulls: [registry: string, remaining: number][] = [];
  readonly breakers: [registry: string, change: 1 | -1][] = [];
  deniedFast = 0;

  readonly onRequest = (event: RegistryRequestEvent): void => void this.requests.push(event);
  readonly onNotice = (notice: RegistryNotice): void => void this.notices.push(notice);
  readonly onPullsRemaining = (registry: string, remaining: number): void =>
    void this.pulls.push([registry, remaining]);
  readonly onBreaker = (registry: string, change: 1 | -1): void =>
    void this.breakers.push([registry, change]);
  readonly onDeniedFast = (): void => void (this.deniedFast += 1);
}
