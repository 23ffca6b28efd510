import { AppsV1Api, CoreV1Api, CustomObjectsApi } from '@kubernetes/client-node';
import { RecreationGuard } from '../admission/recreation-guard.ts';
import { ClusterSiblings } from '../kubernetes/cluster-siblings.ts';
import { ClusterControllerRevisions } from '../kubernetes/controller-revisions.ts';
import { ImagePinStore } from '../kubernetes/image-pin-store.ts';
import { MetadataApi } from '../kubernetes/metadata-api.ts';
import { PinWatch } from '../kubernetes/pin-watch.ts';
import { ClusterPodLives } from '../kubernetes/pod-lives.ts';
import { MemoryPinStore, type MemoryPinStoreOptions } from '../pins/memory-pin-store.ts';
import { PinMemory } from '../pins/pin-memory.ts';
import { Pinner, type PinnerOptions, type PodPins } from '../pins/pinner.ts';
import type { PinStore } from '../pins/pin-store.ts';
import { RevisionFinder } from '../pins/revision-finder.ts';
import { TagMoves } from '../pins/tag-moves.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { Resolver } from '../resolver/resolver.ts';
import { errorFields } from '../telemetry/log.ts';
import { logPinCreated, logPinEnded, logPinExtended } from '../telemetry/pin-log.ts';
import { CommandError } from './surroundings.ts';
import { wireOwnerEvents, type OwnerEventWiring, type WiredOwnerEvents } from './wire-owner-events.ts';

export interface PinWiring extends OwnerEventWiring {
  /** Replaced by the demo, to show what happens without a memory. */
  readonly createPinner?: (options: PinnerOptions) => PodPins;
}

export interface WiredPins {
  readonly pinner: PodPins;
  readonly guard: RecreationGuard;
  /** Whoever wants to know of moved tags subscribes here. */
  readonly tagMoves: TagMoves;
  /** To be told of each decision once it is answered, for events on the Pod's owner. */
  readonly tellOwner: WiredOwnerEvents['decided'];
  /** To be told of digests that their registry has no more, for events. */
  readonly tellMissing: WiredOwnerEvents['missing'];
  readonly close: () => Promise<void>;
}

const WATCH_RETRY_MS = 1_000;
const MAX_WATCHED_TAGS = 5_000;
const now = (): number => performance.now();

/** Joins the parts that remember. @throws {CommandError} where pins are to be kept in a cluster, and there is none. */
export function wirePins(
  wiring: PinWiring,
  sources: {
    readonly resolver: Resolver;
    readonly client: RegistryClient;
  },
): WiredPins {
  const { settings, cluster, log, metrics, createPinner = (options) => new Pinner(options) } = wiring;
  const { store: kind, maxRevisions, maxRecreations, recreatedWithinMs } = settings.pins;
  const memory = new PinMemory({ maxPins: maxRevisions, now });
  const core = cluster?.makeApiClient(CoreV1Api);
  const owners = wireOwnerEvents(wiring, core);
  const { store, watch } =
    kind === 'memory' ? inMemory(wiring, memory, owners) : inCluster(wiring, memory, owners);

  const revisions = new RevisionFinder({
    controllerRevisions: cluster && new ClusterControllerRevisions(cluster.makeApiClient(AppsV1Api)),
    maxRevisions,
  });
  const tagMoves = new TagMoves({ maxTags: MAX_WATCHED_TAGS, now: () => new Date() });
  tagMoves.subscribe({
    moved: (move, revision) => {
      metrics.pins.countTagMoved();
      const { namespace, kind: revisionKind, name } = revision ?? {};
      const shownBy = revision && { namespace, revision: `${revisionKind}/${name}` };
      log.info({ ...move, ...shownBy }, 'tag moved');
    },
    oldServed: (_move, _revision, pods) => metrics.pins.countOldDigestServed(pods),
  });
  const pinner = createPinner({
    store,
    memory,
    revisions,
    siblings: cluster && core && new ClusterSiblings({ pods: core, metadata: new MetadataApi(cluster), now }),
    resolver: sources.resolver,
    manifests: sources.client,
    onSplit: owners.split,
    tagMoves,
    countCacheRequest: metrics.caches.countRequest,
    now: () => new Date(),
  });
  const guard = new RecreationGuard({
    maxRecreations,
    withinMs: recreatedWithinMs,
    lives: core && new ClusterPodLives(core),
    onLeftAlone: owners.leftAlone,
    now,
  });
  metrics.pins.watchMemory(() => memory.isOpen);
  metrics.caches.watch({ ...memory.caches, ...revisions.caches, ...guard.caches, ...tagMoves.caches });
  watch?.start();
  const close = async (): Promise<void> => void (await Promise.all([watch?.stop(), owners.close()]));
  return { pinner, guard, tagMoves, tellOwner: owners.decided, tellMissing: owners.missing, close };
}

function inMemory(
  wiring: PinWiring,
  memory: PinMemory,
  owners: WiredOwnerEvents,
): { store: PinStore; watch: undefined } {
  const { settings, log, metrics } = wiring;
  memory.open();
  const store = new MemoryPinStore({
    maxRevisions: settings.pins.maxRevisions,
    ...recording(wiring, owners),
    onForgotten: ({ revision: { namespace, name } }) =>
      log.warn({ namespace, revision: name }, 'pin forgotten: pins.maxRevisions is reached'),
  });
  metrics.caches.watch(store.caches);
  return { store, watch: undefined };
}

function inCluster(
  wiring: PinWiring,
  memory: PinMemory,
  owners: WiredOwnerEvents,
): { store: PinStore; watch: PinWatch } {
  const { cluster, log, metrics } = wiring;
  if (cluster === undefined) {
    throw new CommandError(
      'pins are kept in a cluster, and there is none: name one with --kubeconfig, or try samebytes with --pin-store memory',
    );
  }
  const store = new ImagePinStore({
    api: cluster.makeApiClient(CustomObjectsApi),
    ...recording(wiring, owners),
    onConflict: () => metrics.pins.countConflict(),
    onProblem: (pin, problem) => log.warn({ ...pin, problem }, 'ImagePin that samebytes did not write'),
  });
  const watch = new PinWatch({
    api: new MetadataApi(cluster),
    memory,
    onEnded: (ended) => {
      metrics.pins.countEnded();
      logPinEnded(log, ended);
    },
    onGap: (error) => {
      metrics.pins.countWatchGap();
      const message = 'deletions of pins cannot be followed: memory is off meanwhile';
      log.warn({ error: errorFields(error) }, message);
    },
    onGapEnd: () => log.info('deletions of pins are followed again: memory is on'),
    retryMs: WATCH_RETRY_MS,
  });
  return { store, watch };
}

/** What both stores tell when they recorded something. */
function recording(
  { log, metrics }: PinWiring,
  { recorded }: WiredOwnerEvents,
): Pick<MemoryPinStoreOptions, 'onCreated' | 'onAdded'> {
  return {
    onCreated: (pin) => {
      metrics.pins.countCreated();
      logPinCreated(log, pin);
      recorded(pin, pin.images, { isBirth: true });
    },
    onAdded: (pin, added) => {
      logPinExtended(log, pin, added);
      recorded(pin, added, { isBirth: false });
    },
  };
}
