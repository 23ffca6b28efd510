import { AppsV1Api, CustomObjectsApi, type CoreV1Api } from '@kubernetes/client-node';
import {
  decisionEvents,
  leavesTrace,
  missingEvents,
  pinnedEvent,
  recreatedEvent,
  splitEvent,
  tagMovedEvent,
} from '../admission/owner-event.ts';
import type { NamedPod } from '../admission/recreation-guard.ts';
import type { Settings } from '../config/settings.ts';
import type { ClusterConnection } from '../kubernetes/cluster-connection.ts';
import type { MissingDigest } from '../fleet/missing-digests.ts';
import { Events } from '../kubernetes/events.ts';
import { TagHistory } from '../kubernetes/tag-history.ts';
import { Workloads } from '../kubernetes/workloads.ts';
import type { ImagePin, PinnedImage } from '../pins/image-pin.ts';
import type { PinnerOptions } from '../pins/pinner.ts';
import { referenceTo } from '../pins/revision.ts';
import type { AdmissionEvent } from '../server/webhook-app.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface OwnerEventWiring {
  readonly settings: Settings;
  /** Undefined without a cluster to ask. */
  readonly cluster: ClusterConnection | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Whoever is told makes log lines and counts of it, and Kubernetes events where there is a cluster. Nobody waits. */
export interface WiredOwnerEvents {
  /** A decision was answered. */
  readonly decided: (event: AdmissionEvent) => void;
  /** These images were recorded in the pin. */
  readonly recorded: (pin: ImagePin, images: readonly PinnedImage[], how: { isBirth: boolean }) => void;
  readonly split: PinnerOptions['onSplit'];
  readonly leftAlone: (pod: NamedPod) => void;
  /** The registry does not have a digest any more that revisions are pinned to. */
  readonly missing: (digest: MissingDigest) => void;
  readonly close: () => Promise<void>;
}

const now = (): number => performance.now();
const date = (): Date => new Date();

/** Joins what tells the owners of Pods what was done, and why not. */
export function wireOwnerEvents(wiring: OwnerEventWiring, core: CoreV1Api | undefined): WiredOwnerEvents {
  const { log, metrics } = wiring;
  const { events, tagHistory } = inCluster(wiring, core) ?? {};
  return {
    decided: ({ request, mode, decision }) => {
      for (const event of decisionEvents(request, mode, decision)) events?.tell(event);
      const { ownerReference: owner, revision, images, denial } = decision;
      const isFromPin = images.some(({ result }) => result.is === 'pinned' && result.source === 'pin');
      const isServed = isFromPin && denial === undefined && leavesTrace(request, mode);
      if (owner === undefined || revision === undefined || !isServed) return;
      tagHistory?.look({ ...revision, namespace: request.namespace, owner, seen: 'served', at: date() });
    },
    recorded: (pin, images, { isBirth }) => {
      const owner = referenceTo(pin.revision);
      const { namespace, kind, name } = pin.revision;
      events?.tell(pinnedEvent(owner, pin, images));
      if (isBirth) tagHistory?.look({ namespace, kind, name, owner, seen: 'born', at: date() });
    },
    split: (revision, reference, digests, chosen) => {
      const { namespace, kind, name } = revision;
      metrics.pins.countRevisionSplit();
      log.warn({ namespace, revision: `${kind}/${name}`, reference, digests, chosen }, 'revision split');
      const split = { revision: name, reference, digests, chosen };
      events?.tell(splitEvent(referenceTo(revision), namespace, split));
    },
    leftAlone: (pod) => {
      const { namespace, name, owner } = pod;
      metrics.pins.countPodLeftAlone();
      log.warn({ namespace, pod: name, owner: `${owner.kind}/${owner.name}` }, 'pod left alone');
      events?.tell(recreatedEvent(pod));
    },
    missing: (digest) => {
      for (const event of missingEvents(digest)) events?.tell(event);
    },
    close: async () => {
      await tagHistory?.close();
      await events?.close();
    },
  };
}

function inCluster(
  { cluster, settings, log, metrics }: OwnerEventWiring,
  core: CoreV1Api | undefined,
): { readonly events: Events; readonly tagHistory: TagHistory | undefined } | undefined {
  if (cluster === undefined || core === undefined) return undefined;
  const workloads = new Workloads(cluster.makeApiClient(AppsV1Api));
  const events = new Events({
    api: core,
    workloads,
    onResult: metrics.events.count,
    onError: (error) => log.warn({ error: errorFields(error) }, 'cannot write an event'),
    now,
    date,
  });
  metrics.caches.watch({ ...events.caches, ...workloads.caches });
  metrics.limits.watch(events.limits);
  if (settings.pins.store !== 'kubernetes') return { events, tagHistory: undefined };
  const tagHistory = new TagHistory({
    api: cluster.makeApiClient(CustomObjectsApi),
    workloads,
    onMove: ({ namespace, kind, name, owner }, move) => {
      log.info({ namespace, revision: `${kind}/${name}`, ...move }, 'tag moved between revisions');
      events.tell(tagMovedEvent(owner, namespace, name, move));
    },
    onError: (error) => log.warn({ error: errorFields(error) }, 'cannot look for tags that moved'),
    now,
  });
  metrics.caches.watch(tagHistory.caches);
  metrics.limits.watch(tagHistory.limits);
  return { events, tagHistory };
}
