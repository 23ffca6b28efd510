import { ApiException, type CustomObjectsApi } from '@kubernetes/client-node';

interface Stored {
  [field: string]: unknown;
  metadata: { resourceVersion: string; uid: string; name: string };
}
type ObjectsApi = Pick<
  CustomObjectsApi,
  'getNamespacedCustomObject' | 'createNamespacedCustomObject' | 'replaceNamespacedCustomObject'
>;

/** Custom objects with uids and resourceVersions, as the API server keeps them; with failures, and races before writes. */
export class PlayedObjectsApi implements ObjectsApi {
  readonly objects = new Map<string, Stored>();
  /** What was asked, in order: `get`, `create`, `replace`. */
  readonly calls: string[] = [];
  /** Runs before each call, for a race, or to throw. */
  before: (call: string) => void = () => {};
  #version = 0;

  /** Somebody else writes an object. */
  put(name: string, object: object): Stored {
    this.#version += 1;
    const known = this.objects.get(name);
    const stored = structuredClone(object) as Stored;
    stored.metadata = {
      ...stored.metadata,
      name,
      uid: known?.metadata.uid ?? `uid-${this.#version}`,
      resourceVersion: String(this.#version),
    };
    this.objects.set(name, stored);
    return structuredClone(stored);
  }

  async getNamespacedCustomObject({ name }: { name: string }): Promise<object> {
    this.#note('get');
    return structuredClone(this.objects.get(name) ?? fail(404));
  }

  async createNamespacedCustomObject({ body }: { body: Stored }): Promise<object> {
    this.#note('create');
    const { name } = body.metadata;
    return this.objects.has(name) ? fail(409) : this.put(name, body);
  }

  async replaceNamespacedCustomObject({ name, body }: { name: string; body: Stored }): Promise<object> {
    this.#note('replace');
    const known = this.objects.get(name) ?? fail(404);
    return known.metadata.resourceVersion === body.metadata.resourceVersion
      ? this.put(name, body)
      : fail(409);
  }

  #note(call: string): void {
    this.calls.push(call);
    this.before(call);
  }
}

/** @throws an answer of the API server with this status, whose body and headers hold a secret. */
export function fail(status: number): never {
  throw new ApiException(status, 'secret message', { secret: 'body' }, { authorization: 'secret' });
}
