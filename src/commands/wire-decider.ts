import { Decider } from '../admission/decide.ts';
import { imageMatcher, PolicyRules } from '../admission/policy.ts';
import { readCaFile } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { hostOf, type ImageReference } from '../image/reference.ts';
import { Authorizer } from '../registry/authorizer.ts';
import { RegistryClient } from '../registry/client.ts';
import { Endpoints, type RegistryOptions } from '../registry/endpoint.ts';
import { TokenSource } from '../registry/token.ts';
import { Resolver } from '../resolver/resolver.ts';
import { USER_AGENT } from './version.ts';
import { wirePins, type PinWiring } from './wire-pins.ts';

export type WiringOptions = PinWiring;

const MAX_REGISTRIES = 1_000;
const MAX_TOKENS = 10_000;
const now = (): number => performance.now();

/** Joins the parts that decide about Pods, from the registry client up. `close` frees the connections. */
export function wireDecider(options: WiringOptions): { decider: Decider; close: () => Promise<void> } {
  const { settings, metrics } = options;
  const countCacheRequest = metrics.caches.countRequest;
  const endpoints = new Endpoints(settings.registries.map(registryOptions), USER_AGENT);
  const tokens = new TokenSource({ maxTokens: MAX_TOKENS, countCacheRequest, now });
  const authorizer = new Authorizer({ tokens, maxRegistries: MAX_REGISTRIES, countCacheRequest });
  const client = new RegistryClient({
    endpoints,
    authorizer,
    maxRegistries: MAX_REGISTRIES,
    onRequest: metrics.registries.countRequest,
    now,
  });
  const resolver = new Resolver({
    ...settings.resolver,
    source: client,
    isImmutable: immutableTags(settings),
    countCacheRequest,
    now,
  });
  metrics.caches.watch({ ...tokens.caches, ...authorizer.caches, ...client.caches, ...resolver.caches });
  const pins = wirePins(options, { resolver, client });
  const rules = new PolicyRules(settings.policies.rules, settings.policies.default);
  const { keepTag, pullPolicy } = settings.policies;
  const decider = new Decider({ ...pins, resolver, rules, keepTag, pullPolicy });
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
