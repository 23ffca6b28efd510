import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { OciRegistry, type SeenRequest } from '../../src/demo/oci-registry.ts';
import { parseReference } from '../../src/image/reference.ts';
import { Authorizer } from '../../src/registry/authorizer.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { Endpoints } from '../../src/registry/endpoint.ts';
import { RegistryError } from '../../src/registry/errors.ts';
import type { Identity } from '../../src/registry/identity.ts';
import { ANONYMOUS } from '../../src/registry/identity.ts';
import type { ManifestDescriptor } from '../../src/registry/manifest.ts';
import { TokenSource } from '../../src/registry/token.ts';
import type { RegistryRequestEvent } from '../../src/telemetry/registry-request.ts';
import { FakeClock } from './clock.ts';
import { CacheCounts } from './counted.ts';
import { noDeadline } from './signals.ts';

/** The real registry client before a real HTTP registry on loopback that a test can make misbehave. */
export class RegistryUnderTest {
  readonly registry = new OciRegistry();
  readonly clock = new FakeClock();
  readonly counts = new CacheCounts();
  readonly events: RegistryRequestEvent[] = [];
  #endpoints!: Endpoints;
  #client!: RegistryClient;

  static async start(): Promise<RegistryUnderTest> {
    const started = new RegistryUnderTest();
    await started.registry.start();
    const options = { insecure: true, ca: undefined, allowPrivate: false, allowLoopback: true };
    started.#endpoints = new Endpoints([{ host: started.registry.host, ...options }], 'samebytes-test');
    const countCacheRequest = started.counts.count;
    const tokens = new TokenSource({ maxTokens: 100, countCacheRequest, now: started.clock.now });
    started.#client = new RegistryClient({
      endpoints: started.#endpoints,
      authorizer: new Authorizer({ tokens, maxRegistries: 100, countCacheRequest }),
      maxRegistries: 100,
      onRequest: (event) => void started.events.push(event),
      now: started.clock.now,
    });
    return started;
  }

  async stop(): Promise<void> {
    await this.registry.stop();
    await this.#endpoints.close();
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
    return this.#client.resolveTag(parseReference(written), identity, signal);
  }

  /** The error that asking ends in. @throws where it ends well, or in an error of another class. */
  async failure(image: string): Promise<RegistryError> {
    const outcome = await this.resolve(image).catch((error: unknown) => error);
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
