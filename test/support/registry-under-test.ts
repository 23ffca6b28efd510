import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { LookupFunction } from 'node:net';
import { OciRegistry, type SeenRequest } from '../../src/demo/oci-registry.ts';
import { parseReference } from '../../src/image/reference.ts';
import type { RegistryClient } from '../../src/registry/client.ts';
import { createClient } from '../../src/registry/create-client.ts';
import type { RegistryOptions } from '../../src/registry/endpoint.ts';
import { RegistryError } from '../../src/registry/errors.ts';
import type { Identity } from '../../src/registry/identity.ts';
import { ANONYMOUS } from '../../src/registry/identity.ts';
import type { ManifestDescriptor } from '../../src/registry/manifest.ts';
import { FakeClock } from './clock.ts';
import { CacheCounts } from './counted.ts';
import { SeenEvents } from './seen-events.ts';
import { noDeadline } from './signals.ts';

/** How a registry on loopback is listed. */
export const LISTED: RegistryOptions = {
  host: '',
  insecure: true,
  ca: undefined,
  allowPrivate: false,
  allowLoopback: true,
  tokenHosts: [],
};

export interface RegistryUnderTestOptions {
  /** What is listed of the registry, over {@link LISTED}. */
  readonly registry?: Partial<RegistryOptions>;
  readonly others?: readonly RegistryOptions[];
  /** A guard of a minute where absent, which no test reaches. */
  readonly deadlineMs?: number;
  readonly lookup?: LookupFunction;
}

/** The real registry client before a real HTTP registry on loopback that a test can make misbehave. */
export class RegistryUnderTest {
  readonly registry = new OciRegistry();
  readonly clock = new FakeClock();
  readonly counts = new CacheCounts();
  readonly events = new SeenEvents();
  /** Pauses before retries, in milliseconds. */
  readonly pauses: number[] = [];
  #running!: ReturnType<typeof createClient>;

  static async start(options: RegistryUnderTestOptions = {}): Promise<RegistryUnderTest> {
    const started = new RegistryUnderTest();
    await started.registry.start();
    started.#running = createClient({
      registries: [
        { ...LISTED, host: started.registry.host, ...options.registry },
        ...(options.others ?? []),
      ],
      userAgent: 'samebytes-test',
      deadlineMs: options.deadlineMs ?? 60_000,
      countCacheRequest: started.counts.count,
      events: started.events,
      // No test waits: that there was a pause is seen in what was waited for.
      retry: { random: () => 0.5, wait: async (ms) => void started.pauses.push(ms) },
      now: started.clock.now,
      ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    });
    return started;
  }

  get client(): RegistryClient {
    return this.#running.client;
  }

  async stop(): Promise<void> {
    await this.registry.stop();
    await this.#running.close();
  }

  /** Asks what `image`, a repository and tag of this registry, means. */
  async resolve(
    image: string,
    identity: Identity = ANONYMOUS,
    signal: AbortSignal = noDeadline(),
  ): Promise<ManifestDescriptor> {
    return this.resolveAt(`${this.registry.host}/${image}`, identity, signal);
  }

  async resolveAt(
    written: string,
    identity: Identity = ANONYMOUS,
    signal: AbortSignal = noDeadline(),
  ): Promise<ManifestDescriptor> {
    return this.client.resolveTag(parseReference(written), identity, signal);
  }

  /** The error that asking ends in. @throws where it ends well, or in an error of another class. */
  async failure(image: string, identity: Identity = ANONYMOUS): Promise<RegistryError> {
    const outcome = await this.resolve(image, identity).catch((error: unknown) => error);
    if (!(outcome instanceof RegistryError)) throw new Error(`no RegistryError: ${String(outcome)}`);
    return outcome;
  }

  /** What the registry was asked, apart from pushes: `HEAD /v2/…`. */
  get asked(): string[] {
    return this.seen.map(({ method, path }) => `${method} ${path}`);
  }

  get seen(): readonly SeenRequest[] {
    return this.registry.seen.filter(({ method }) => method !== 'PUT');
  }

  /** Answers every request but pushes with these instead. */
  answer(write: (response: ServerResponse, method: string, path: string) => void): void {
    this.registry.intercept = async (request, response) => {
      if (request.method === 'PUT') return;
      write(response, request.method ?? '', request.url ?? '');
      // An answer that was begun is the whole answer.
      if (response.headersSent && !response.closed) await once(response, 'close');
    };
  }
}
