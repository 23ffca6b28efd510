import { AppsV1Api, type KubeConfig } from '@kubernetes/client-node';
import { Decider } from '../admission/decide.ts';
import { imageMatcher, PolicyRules } from '../admission/policy.ts';
import { readCaFile } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { hostOf, type ImageReference } from '../image/reference.ts';
import { ClusterControllerRevisions } from '../kubernetes/controller-revisions.ts';
import { MemoryPinStore } from '../pins/pin-store.ts';
import { Pinner, type PinnerOptions } from '../pins/pinner.ts';
import { RevisionFinder } from '../pins/revision-finder.ts';
import { Authorizer } from '../registry/authorizer.ts';
import { RegistryClient } from '../registry/client.ts';
import { Endpoints, type RegistryOptions } from '../registry/endpoint.ts';
import { TokenSource } from '../registry/token.ts';
import { Resolver } from '../resolver/resolver.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { USER_AGENT } from './version.ts';

export interface WiringOptions {
  readonly settings: Settings;
  /** Undefined without a cluster to ask. */
  readonly cluster: KubeConfig | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Replaced by the demo, to show what happens without a memory. */
  readonly createPinner?: (options: PinnerOptions) => Pick<Pinner, 'pin'>;
}

const MAX_REGISTRIES = 1_000;
const MAX_TOKENS = 10_000;
const now = (): number => performance.now();

/** Joins the parts that decide about Pods, from the registry client up. `close` frees the connections. */
export function wireDecider(options: WiringOptions): { decider: Decider; close: () => Promise<void> } {
  const { settings, metrics } = options;
  const { countCacheRequest } = metrics;
  const endpoints = new Endpoints(settings.registries.map(registryOptions), USER_AGENT);
  const tokens = new TokenSource({ maxTokens: MAX_TOKENS, countCacheRequest, now });
  const client = new RegistryClient({
    endpoints,
    authorizer: new Authorizer({ tokens, maxRegistries: MAX_REGISTRIES, countCacheRequest }),
    maxRegistries: MAX_REGISTRIES,
    onRequest: metrics.countRegistryRequest,
    now,
  });
  const resolver = new Resolver({
    ...settings.resolver,
    source: client,
    isImmutable: immutableTags(settings),
    countCacheRequest,
    now,
  });
  const pinner = wirePinner(options, resolver);
  const rules = new PolicyRules(settings.policies.rules, settings.policies.default);
  const { keepTag, pullPolicy } = settings.policies;
  const decider = new Decider({ pinner, resolver, rules, keepTag, pullPolicy });
  return { decider, close: () => endpoints.close() };
}

function wirePinner(options: WiringOptions, resolver: Resolver): Pick<Pinner, 'pin'> {
  const { settings, cluster, log, metrics, createPinner = (pinner) => new Pinner(pinner) } = options;
  const { maxRevisions } = settings.pins;
  return createPinner({
    store: new MemoryPinStore({
      maxRevisions,
      onCreated: () => metrics.countPinCreated(),
      onForgotten: ({ revision }) =>
        log.warn(
          { namespace: revision.namespace, revision: revision.name },
          'pin forgotten: pins.maxRevisions is reached',
        ),
    }),
    revisions: new RevisionFinder({
      controllerRevisions:
        cluster === undefined ? undefined : new ClusterControllerRevisions(cluster.makeApiClient(AppsV1Api)),
      maxRevisions,
    }),
    resolver,
    maxRevisions,
    countCacheRequest: metrics.countCacheRequest,
    now: () => new Date(),
  });
}

function registryOptions(registry: Settings['registries'][number], index: number): RegistryOptions {
  const { host, insecure, caFile, allowPrivateAddresses: allowPrivate, allowLoopback } = registry;
  const ca = caFile === undefined ? undefined : readCaFile(caFile, `registries[${index}].caFile`);
  return { host, insecure, ca, allowPrivate, allowLoopback };
}

function immutableTags({ registries }: Settings): (reference: ImageReference) => boolean {
  const matchers = new Map(
    registries
      .filter(({ immutableTags: globs }) => globs !== undefined)
      .map(({ host, immutableTags: globs }) => [host, imageMatcher(globs)]),
  );
  return (reference) => matchers.get(hostOf(reference))?.(reference) ?? false;
}
