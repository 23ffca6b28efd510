import { CoreV1Api } from '@kubernetes/client-node';
import { Decider } from '../admission/decide.ts';
import { imageMatcher, PolicyRules } from '../admission/policy.ts';
import type { Settings } from '../config/settings.ts';
import { Keychain } from '../credentials/keychain.ts';
import { hostOf, type ImageReference } from '../image/reference.ts';
import { ClusterPullSecrets } from '../kubernetes/pull-secrets.ts';
import type { ServedDigest } from '../pins/served-digest.ts';
import type { TagMoves } from '../pins/tag-moves.ts';
import { Resolver } from '../resolver/resolver.ts';
import { errorFields } from '../telemetry/log.ts';
import { wireDigestChecks } from './wire-digest-checks.ts';
import { wirePins, type PinWiring, type WiredPins } from './wire-pins.ts';
import { wireRegistry } from './wire-registry.ts';

export type WiringOptions = PinWiring;

const now = (): number => performance.now();

/** What decides about Pods, and whom to ask about moved tags and missing digests. `close` ends it all. */
export interface WiredDecider {
  readonly decider: Decider;
  readonly tagMoves: TagMoves;
  /** For decisions that are answered. */
  readonly tellOwner: WiredPins['tellOwner'];
  /** For digests that so many Pods got from a pin. */
  readonly tellServed: (served: ServedDigest, pods: number) => void;
  readonly close: () => Promise<void>;
}

/** Joins the parts that decide about Pods, from the registry client up. */
export function wireDecider(options: WiringOptions): WiredDecider {
  const { settings, metrics, cluster, log } = options;
  const countCacheRequest = metrics.caches.countRequest;
  const registry = wireRegistry(options);
  const resolver = new Resolver({
    ...settings.resolver,
    source: registry.client,
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
  metrics.limits.watch({ ...registry.limits, ...resolver.limits });
  metrics.caches.watch({ ...registry.caches, ...resolver.caches, ...keychain.caches });
  const digestChecks = wireDigestChecks(options, { client: registry.client, keychain });
  const pins = wirePins(options, { resolver, client: registry.client });
  digestChecks?.subscribe({ missing: pins.tellMissing });
  digestChecks?.start();
  const rules = new PolicyRules(settings.policies.rules, settings.policies.default);
  const { keepTag, pullPolicy } = settings.policies;
  const decider = new Decider({ ...pins, resolver, keychain, rules, keepTag, pullPolicy, now });
  metrics.caches.watch(decider.caches);
  const tellServed: WiredDecider['tellServed'] = (served, pods) => {
    pins.tagMoves.served(served, pods);
    digestChecks?.served(served);
  };
  const close = async (): Promise<void> =>
    void (await Promise.all([digestChecks?.stop(), pins.close(), registry.close()]));
  return { decider, tagMoves: pins.tagMoves, tellOwner: pins.tellOwner, tellServed, close };
}

function immutableTags({ registries }: Settings): (reference: ImageReference) => boolean {
  const matchers = new Map(
    registries
      .filter(({ immutableTags: globs }) => globs !== undefined)
      .map(({ host, immutableTags: globs }) => [host, imageMatcher(globs)]),
  );
  return (reference) => matchers.get(hostOf(reference))?.(reference) ?? false;
}
