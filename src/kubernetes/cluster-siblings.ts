import { ApiException, type CoreV1Api, type V1ContainerStatus, type V1Pod } from '@kubernetes/client-node';
import pLimit from 'p-limit';
import { isObject, type JsonObject } from '../json/json-object.ts';
import { PinStoreError } from '../pins/pin-store.ts';
import { readRecordedImages } from '../pins/recorded-images.ts';
import type { SiblingImage, SiblingQuery, Siblings } from '../pins/siblings.ts';
import type { MetadataApi } from './metadata-api.ts';
import { PageSize } from './page-size.ts';
import { endingWith, plainCause } from './request-options.ts';

export interface ClusterSiblingsOptions {
  readonly pods: Pick<CoreV1Api, 'listNamespacedPod'>;
  readonly metadata: Pick<MetadataApi, 'list'>;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** So many Pods tell what a revision runs; a page more would tell the same. */
const PAGE = 50;
/** Where no label leads to them they are looked for among so many Pods, on as many pages as those take. */
const MAX_READ = 10 * PAGE;
/** Whole Pods are large: so many pages are in memory at once, however many revisions are born. */
const MAX_READING = 4;
/** Platforms of nodes change with machines, not with Pods. */
const PLATFORM_TTL_MS = 60_000;
const PLATFORM_LABELS = ['kubernetes.io/os', 'kubernetes.io/arch'];

/** The Pods of a revision and the nodes' platforms, by the API server. */
export class ClusterSiblings implements Siblings {
  readonly #options: ClusterSiblingsOptions;
  readonly #reading = pLimit(MAX_READING);
  #platforms: { readonly one: boolean; readonly atMs: number } | undefined;

  constructor(options: ClusterSiblingsOptions) {
    this.#options = options;
  }

  async imagesOf(query: SiblingQuery, signal: AbortSignal): Promise<readonly SiblingImage[]> {
    return this.#reading(async () => {
      const size = new PageSize(PAGE);
      for (const selector of query.selectors) {
        const images = await this.#imagesBy(selector, size, query, signal);
        if (images.length > 0) return images;
      }
      return [];
    });
  }

  async #imagesBy(
    selector: string,
    size: PageSize,
    { namespace, ownerUid }: SiblingQuery,
    signal: AbortSignal,
  ): Promise<readonly SiblingImage[]> {
    const request = { namespace, ...(selector === '' ? {} : { labelSelector: selector }) };
    const images: SiblingImage[] = [];
    let found = 0;
    let next: string | undefined;
    try {
      for (let read = 0; read < MAX_READ && found < PAGE;) {
        const asked = next === undefined ? request : { ...request, _continue: next };
        const { items, metadata: { _continue: more } = {} } = await size.read((limit) =>
          this.#options.pods.listNamespacedPod({ ...asked, limit }, endingWith(signal)),
        );
        // A page may be empty, and there may be more.
        read += Math.max(items.length, 1);
        const siblings = items.filter((pod) => isOwnedBy(pod, ownerUid));
        found += siblings.length;
        images.push(...siblings.flatMap(imagesOfPod));
        if (!more) break;
        next = more;
      }
      return images;
    } catch (error) {
      throw unreadable(`the Pods of ${namespace}`, error, signal);
    }
  }

  async shareOnePlatform(signal: AbortSignal): Promise<boolean> {
    const nowMs = this.#options.now();
    if (this.#platforms !== undefined && nowMs - this.#platforms.atMs < PLATFORM_TTL_MS) {
      return this.#platforms.one;
    }
    try {
      this.#platforms = { one: await this.#compareNodes(signal), atMs: nowMs };
      return this.#platforms.one;
    } catch (error) {
      throw unreadable('the nodes', error, signal);
    }
  }

  /** Takes any node, and asks whether one differs from it: three small answers, however many nodes there are. */
  async #compareNodes(signal: AbortSignal): Promise<boolean> {
    const [first] = await this.#nodes('', signal);
    const labels = labelsOf(first);
    if (PLATFORM_LABELS.some((label) => typeof labels[label] !== 'string')) return false;
    const others = PLATFORM_LABELS.map((label) => this.#nodes(`${label}!=${String(labels[label])}`, signal));
    return (await Promise.all(others)).every((nodes) => nodes.length === 0);
  }

  /** At most one node that the selector matches; a node without the label does not equal its value. */
  async #nodes(selector: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const path = `/api/v1/nodes?limit=1&labelSelector=${encodeURIComponent(selector)}`;
    const list = await this.#options.metadata.list(path, signal);
    return Array.isArray(list['items']) ? list['items'] : [];
  }
}

function unreadable(what: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const cause = error instanceof ApiException ? plainCause(error) : error;
  return new PinStoreError('pin_unreadable', `cannot list ${what}`, { cause });
}

function isOwnedBy({ metadata }: V1Pod, uid: string): boolean {
  return (metadata?.ownerReferences ?? []).some((owner) => owner.controller === true && owner.uid === uid);
}

function imagesOfPod(pod: V1Pod): SiblingImage[] {
  const { metadata, spec, status } = pod;
  const state = stateOf(pod);
  const recorded = readRecordedImages({ metadata: { annotations: metadata?.annotations } });
  const statuses = new Map(
    [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].map((each) => [
      each.name,
      each,
    ]),
  );
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(
    ({ name, image }) => ({
      image: image ?? '',
      recorded: recorded.get(name),
      imageId: startedImageId(statuses.get(name)),
      state,
    }),
  );
  const volumes = (spec?.volumes ?? []).map(({ name, image }) => ({
    image: image?.reference ?? '',
    recorded: recorded.get(`volume/${name}`),
    imageId: undefined,
    state,
  }));
  return [...containers, ...volumes].filter(({ image }) => image !== '');
}

function stateOf({ metadata, status }: V1Pod): SiblingImage['state'] {
  const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (metadata?.deletionTimestamp !== undefined || isOver) return 'leaving';
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  return all.some(hasStarted) ? 'running' : 'waiting';
}

function hasStarted({ state, lastState, started }: V1ContainerStatus): boolean {
  return started === true || [state?.running, state?.terminated, lastState?.terminated].some(Boolean);
}

/** Before a container has started its imageID may be empty, or an earlier image's. */
function startedImageId(status: V1ContainerStatus | undefined): string | undefined {
  return status !== undefined && hasStarted(status) && status.imageID !== '' ? status.imageID : undefined;
}

function labelsOf(node: unknown): JsonObject {
  const metadata = isObject(node) ? node['metadata'] : undefined;
  return isObject(metadata) && isObject(metadata['labels']) ? metadata['labels'] : {};
}
