import type { Api, KubeObject } from './api.ts';

/** Every Pod of a namespace that ever existed, by a watch: deleted ones count too. */
export class PodHistory {
  readonly #stopped = new AbortController();
  readonly #pods = new Map<string, KubeObject>();
  #watching: Promise<void> = Promise.resolve();

  static async start(api: Api, namespace: string): Promise<PodHistory> {
    const history = new PodHistory();
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const { metadata } = await api.get(`${path}?limit=1`);
    history.#watching = history.#follow(api, path, metadata.resourceVersion).catch((error: unknown) => {
      if (!history.#stopped.signal.aborted) throw error;
    });
    history.#watching.catch(() => {});
    return history;
  }

  /** The API server ends watches that are old or slow; they go on where they ended, or fail where that is gone. */
  async #follow(api: Api, path: string, from: string): Promise<void> {
    let resourceVersion = from;
    while (!this.#stopped.signal.aborted) {
      const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${resourceVersion}`;
      await api.watch(`${path}?${query}`, this.#stopped.signal, (type, object) => {
        if (type === 'ERROR') throw new Error(JSON.stringify(object));
        resourceVersion = object['metadata'].resourceVersion;
        if (type !== 'BOOKMARK') this.#pods.set(object['metadata'].uid, object);
      });
    }
  }

  /** Ends the watch. @throws where it missed something. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#watching;
  }

  /** The names of all Pods, in the order in which they were created. */
  get names(): string[] {
    return [...this.#pods.values()].map(({ metadata }) => metadata.name);
  }

  get size(): number {
    return this.#pods.size;
  }

  /** The images that each revision's Pods ever had, without repetition, by the uid of the owner and the revision's label. */
  get imagesByRevision(): ReadonlyMap<string, readonly string[]> {
    const images = new Map<string, Set<string>>();
    for (const { metadata, spec } of this.#pods.values()) {
      const [owner] = metadata.ownerReferences ?? [{ uid: metadata.uid }];
      const key = `${owner.uid} ${metadata.labels?.['controller-revision-hash'] ?? ''}`;
      const known = images.get(key) ?? new Set<string>();
      for (const { image } of spec.containers) known.add(image);
      images.set(key, known);
    }
    return new Map([...images].map(([key, set]) => [key, [...set]]));
  }

  /** The images of all Pods that carry the label `app`, without repetition. */
  imagesOf(app: string): string[] {
    const pods = [...this.#pods.values()].filter(({ metadata }) => metadata.labels?.['app'] === app);
    return [...new Set(pods.flatMap(({ spec }) => spec.containers.map(({ image }: KubeObject) => image)))];
  }

  /** Revisions with more than one image, or with one that has no digest; to be compared with nothing. */
  get broken(): Record<string, readonly string[]> {
    return Object.fromEntries(
      [...this.imagesByRevision].filter(
        ([, images]) => images.length !== 1 || !images.every((image) => /@sha256:[0-9a-f]{64}$/.test(image)),
      ),
    );
  }
}
