import { AppsV1Api, CoreV1Api, CustomObjectsApi } from '@kubernetes/client-node';
import { RecreationGuard } from '../admission/recreation-guard.ts';
import type { Settings } from '../config/settings.ts';
import type { ClusterConnection } from '../kubernetes/cluster-connection.ts';
import { ClusterSiblings } from '../kubernetes/cluster-siblings.ts';
import { ClusterControllerRevisions } from '../kubernetes/controller-revisions.ts';
import { Events } from '../kubernetes/events.ts';
import { ImagePinStore } from '../kubernetes/image-pin-store.ts';
import { MetadataApi } from '../kubernetes/metadata-api.ts';
import { PinWatch } from '../kubernetes/pin-watch.ts';
import { ClusterPodLives } from '../kubernetes/pod-lives.ts';
import type { ImagePin } from '../pins/image-pin.ts';
import { MemoryPinStore } from '../pins/memory-pin-store.ts';
import { PinMemory } from '../pins/pin-memory.ts';
import { Pinner, type PinnerOptions } from '../pins/pinner.ts';
import type { PinStore } from '../pins/pin-store.ts';
import type { OnServed } from '../pins/served-digest.ts';
import { RevisionFinder } from '../pins/revision-finder.ts';
import { TagMoves } from '../pins/tag-moves.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { Resolver } from '../resolver/resolver.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { CommandError } from './surroundings.ts';

export interface PinWiring {
  readonly settings: Settings;
  /** Undefined without a cluster to ask. */
  readonly cluster: ClusterConnection | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Replaced by the demo, to show what happens without a memory. */
  readonly createPinner?: (options: PinnerOptions) => Pick<Pinner, 'pin'>;
}

export interface WiredPins {
  readonly pinner: Pick<Pinner, 'pin'>;
  readonly guard: RecreationGuard;
  /** Whoever wants to know of moved tags subscribes here. */
  readonly tagMoves: TagMoves;
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
    readonly onServed: OnServed | undefined;
  },
): WiredPins {
  const { settings, cluster, log, metrics, createPinner = (options) => new Pinner(options) } = wiring;
  const { store: kind, maxRevisions, maxRecreations, recreatedWithinMs } = settings.pins;
  const memory = new PinMemory({ maxPins: maxRevisions, now });
  const core = cluster?.makeApiClient(CoreV1Api);
  const events =
    core &&
    new Events({
      api: core,
      onError: (error) => log.warn({ error: errorFields(error) }, 'cannot write an event'),
      now,
    });
  const { store, watch } = kind === 'memory' ? inMemory(wiring, memory) : inCluster(wiring, memory);

  const onSplit: PinnerOptions['onSplit'] = (revision, reference, digests, chosen) => {
    const { namespace, kind: ownerKind, name } = revision;
    metrics.pins.countRevisionSplit();
    log.warn({ namespace, revision: `${ownerKind}/${name}`, reference, digests, chosen }, 'revision split');
    events?.warn({
      namespace,
      owner: revision,
      reason: 'RevisionSplit',
      message: `Pods of this revision ran different bytes of ${reference} before samebytes could pin it (${digests.slice(0, 4).join(', ')}); new Pods get ${chosen ?? 'what the tag means now'}. To heal it: kubectl rollout restart`,
    });
  };
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
    oldServed: () => metrics.pins.countOldDigestServed(),
  });
  const pinner = createPinner({
    store,
    memory,
    revisions,
    siblings: cluster && core && new ClusterSiblings({ pods: core, metadata: new MetadataApi(cluster), now }),
    resolver: sources.resolver,
    manifests: sources.client,
    onSplit,
    tagMoves,
    onServed: sources.onServed,
    countCacheRequest: metrics.caches.countRequest,
    now: () => new Date(),
  });
  const guard = new RecreationGuard({
    maxRecreations,
    withinMs: recreatedWithinMs,
    lives: core && new ClusterPodLives(core),
    onLeftAlone: ({ namespace, name, owner }) => {
      metrics.pins.countPodLeftAlone();
      log.warn({ namespace, pod: name, owner: `${owner.kind}/${owner.name}` }, 'pod left alone');
      events?.warn({
        namespace,
        owner,
        reason: 'ImageNotPinned',
        message: `Pod ${name} was recreated over and over right after samebytes pinned it, so it is left alone now: does its controller compare images? Turn samebytes off for it: annotation samebytes.dev/policy: "off" on the Pods`,
      });
    },
    now,
  });
  metrics.pins.watchMemory(() => memory.isOpen);
  metrics.caches.watch({ ...memory.caches, ...revisions.caches, ...guard.caches, ...events?.caches });
  metrics.caches.watch(tagMoves.caches);
  watch?.start();
  return { pinner, guard, tagMoves, close: async () => watch?.stop() };
}

function inMemory(
  { settings, log, metrics }: PinWiring,
  memory: PinMemory,
): { store: PinStore; watch: undefined } {
  memory.open();
  const store = new MemoryPinStore({
    maxRevisions: settings.pins.maxRevisions,
    onCreated: (pin) => logBirth(log, metrics, pin),
    onForgotten: ({ revision: { namespace, name } }) =>
      log.warn({ namespace, revision: name }, 'pin forgotten: pins.maxRevisions is reached'),
  });
  metrics.caches.watch(store.caches);
  return { store, watch: undefined };
}

function inCluster(
  { cluster, log, metrics }: PinWiring,
  memory: PinMemory,
): { store: PinStore; watch: PinWatch } {
  if (cluster === undefined) {
    throw new CommandError(
      'pins are kept in a cluster, and there is none: name one with --kubeconfig, or try samebytes with --pin-store memory',
    );
  }
  const store = new ImagePinStore({
    api: cluster.makeApiClient(CustomObjectsApi),
    onCreated: (pin) => logBirth(log, metrics, pin),
    onConflict: () => metrics.pins.countConflict(),
    onProblem: (pin, problem) => log.warn({ ...pin, problem }, 'ImagePin that samebytes did not write'),
  });
  const watch = new PinWatch({
    api: new MetadataApi(cluster),
    memory,
    onEnded: ({ namespace, name }) => {
      metrics.pins.countEnded();
      log.info({ namespace, pin: name }, 'pin ended');
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

function logBirth(log: Logger, metrics: Metrics, { revision, images }: ImagePin): void {
  metrics.pins.countCreated();
  const { namespace, kind, name, uid } = revision;
  log.info({ namespace, revision: `${kind}/${name}`, revisionUid: uid, images }, 'pin created');
}
