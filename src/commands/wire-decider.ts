import { CoreV1Api } from '@kubernetes/client-node';
import { Decider } from '../admission/decide.ts';
import { imageMatcher, PolicyRules } from '../admission/policy.ts';
import { readCaFile } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { Keychain } from '../credentials/keychain.ts';
import { hostOf, type ImageReference } from '../image/reference.ts';
import { ClusterPullSecrets } from '../kubernetes/pull-secrets.ts';
import { Authorizer } from '../registry/authorizer.ts';
import { RegistryClient } from '../registry/client.ts';
import { Endpoints, type RegistryOptions } from '../registry/endpoint.ts';
import { TokenSource } from '../registry/token.ts';
import { Resolver } from '../resolver/resolver.ts';
import { errorFields } from '../telemetry/log.ts';
import { USER_AGENT } from './version.ts';
import { wirePins, type PinWiring } from './wire-pins.ts';

export type WiringOptions = PinWiring;

const MAX_REGISTRIES = 1_000;
const MAX_TOKENS = 10_000;
const now = (): number => performance.now();

/** Joins the parts that decide about Pods, from the registry client up. `close` frees the connections. */
export function wireDecider(options: WiringOptions): { decider: Decider; close: () => Promise<void> } {
  const { settings, metrics, cluster, log } = options;
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
  const secrets =
    cluster &&
    new ClusterPullSecrets({
      api: cluster.makeApiClient(CoreV1Api),
      onUnreadable: (error) => log.warn({ error: errorFields(error) }, 'a pull secret cannot be read'),
    });
  const keychain = new Keychain({ secrets, countCacheRequest, now });
  const pins = wirePins(options, { resolver, client });
  const rules = new PolicyRules(settings.policies.rules, settings.policies.default);
  const { keepTag, pullPolicy } = settings.policies;
  const decider = new Decider({ ...pins, resolver, keychain, rules, keepTag, pullPolicy });
  return { decider, close: async () => void (await Promise.all([pins.close(), endpoints.close()])) };
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
