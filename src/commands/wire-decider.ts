import { Decider } from '../admission/decide.ts';
import { imageMatcher, PolicyRules } from '../admission/policy.ts';
import type { Settings } from '../config/settings.ts';
import { hostOf, type ImageReference } from '../image/reference.ts';
import { Resolver } from '../resolver/resolver.ts';
import { wirePins, type PinWiring } from './wire-pins.ts';
import { registryOptions, wireRegistry } from './wire-registry.ts';

export type WiringOptions = PinWiring;

const now = (): number => performance.now();

/** Joins the parts that decide about Pods, from the registry client up. `close` frees the connections. */
export function wireDecider(options: WiringOptions): { decider: Decider; close: () => Promise<void> } {
  const { settings, metrics } = options;
  const { countCacheRequest } = metrics;
  const registry = wireRegistry({
    registries: registryOptions(settings.registries),
    countCacheRequest,
    onRequest: metrics.countRegistryRequest,
  });
  const resolver = new Resolver({
    ...settings.resolver,
    source: registry.client,
    isImmutable: immutableTags(settings),
    countCacheRequest,
    now,
  });
  const pins = wirePins(options, { resolver, client: registry.client });
  const rules = new PolicyRules(settings.policies.rules, settings.policies.default);
  const { keepTag, pullPolicy } = settings.policies;
  const decider = new Decider({ ...pins, resolver, rules, keepTag, pullPolicy });
  return { decider, close: async () => void (await Promise.all([pins.close(), registry.close()])) };
}

function immutableTags({ registries }: Settings): (reference: ImageReference) => boolean {
  const matchers = new Map(
    registries
      .filter(({ immutableTags: globs }) => globs !== undefined)
      .map(({ host, immutableTags: globs }) => [host, imageMatcher(globs)]),
  );
  return (reference) => matchers.get(hostOf(reference))?.(reference) ?? false;
}
