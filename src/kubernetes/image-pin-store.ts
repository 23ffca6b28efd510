import { ApiException, type CustomObjectsApi } from '@kubernetes/client-node';
import { isObject } from '../json/json-object.ts';
import { addImages, pinName, type ImagePin, type PinnedImage } from '../pins/image-pin.ts';
import { PinStoreError, type PinStore } from '../pins/pin-store.ts';
import type { Revision } from '../pins/revision.ts';
import { IMAGE_PINS, pinObject, readPinObject } from './image-pin-object.ts';
import { endingWith, plainCause } from './request-options.ts';

type ObjectsApi = Pick<
  CustomObjectsApi,
  'getNamespacedCustomObject' | 'createNamespacedCustomObject' | 'replaceNamespacedCustomObject'
>;

export interface ImagePinStoreOptions {
  readonly api: ObjectsApi;
  readonly onCreated: (pin: ImagePin) => void;
  /** Images were added to a pin that was there. */
  readonly onAdded: (pin: ImagePin, added: readonly PinnedImage[]) => void;
  /** Another process was faster, and its digests are used. */
  readonly onConflict: () => void;
  /** An ImagePin holds what we never write. */
  readonly onProblem: (pin: { namespace: string; name: string }, problem: string) => void;
}

/** An object as it was read, which a write replaces. */
interface Found {
  readonly object: Record<string, unknown>;
  readonly pin: ImagePin;
}

/** Each round is lost to somebody who won it; that many in a row means that something else is wrong. */
const MAX_ATTEMPTS = 20;

/**
 * Pins as ImagePin objects in the revision's namespace. etcd is the referee between processes: of several creates one
 * wins, the others read its digests; additions name the resourceVersion that they saw. Reads carry no resourceVersion,
 * so they are consistent, also with several API servers.
 */
export class ImagePinStore implements PinStore {
  readonly #options: ImagePinStoreOptions;

  constructor(options: ImagePinStoreOptions) {
    this.#options = options;
  }

  async read(revision: Revision, signal: AbortSignal): Promise<ImagePin | undefined> {
    return (await this.#get(revision, signal))?.pin;
  }

  async record(
    revision: Revision,
    images: readonly PinnedImage[],
    isNew: boolean,
    signal: AbortSignal,
  ): Promise<ImagePin> {
    let create = isNew;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const found = create ? undefined : await this.#get(revision, signal);
      const written =
        found === undefined
          ? await this.#create(revision, images, signal)
          : await this.#add(found, revision, images, signal);
      if (written !== undefined) return written;
      this.#options.onConflict();
      create = false;
    }
    throw new PinStoreError('pin_unwritable', `${pathOf(revision)} changed ${MAX_ATTEMPTS} times meanwhile`);
  }

  async #get(revision: Revision, signal: AbortSignal): Promise<Found | undefined> {
    const request = { ...IMAGE_PINS, namespace: revision.namespace, name: pinName(revision) };
    const object = await this.#call('pin_unreadable', revision, signal, 404, (options) =>
      this.#options.api.getNamespacedCustomObject(request, options),
    );
    return object === undefined ? undefined : this.#decode(object, revision, 'pin_unreadable');
  }

  /** The pin that was created; undefined where there is one already. */
  async #create(
    revision: Revision,
    images: readonly PinnedImage[],
    signal: AbortSignal,
  ): Promise<ImagePin | undefined> {
    const body = pinObject(revision, addImages([], images));
    const request = { ...IMAGE_PINS, namespace: revision.namespace, body };
    const object = await this.#call('pin_unwritable', revision, signal, 409, (options) =>
      this.#options.api.createNamespacedCustomObject(request, options),
    );
    if (object === undefined) return undefined;
    const { pin } = this.#decode(object, revision, 'pin_unwritable');
    this.#options.onCreated(pin);
    return pin;
  }

  /** The pin with the images that it lacked; undefined where somebody changed it meanwhile. */
  async #add(
    { object, pin }: Found,
    revision: Revision,
    images: readonly PinnedImage[],
    signal: AbortSignal,
  ): Promise<ImagePin | undefined> {
    const all = addImages(pin.images, images);
    if (all.length === pin.images.length) return pin;
    const spec = isObject(object['spec']) ? object['spec'] : {};
    const kept = Array.isArray(spec['images']) ? (spec['images'] as unknown[]) : [];
    const body = { ...object, spec: { ...spec, images: [...kept, ...all.slice(pin.images.length)] } };
    const request = { ...IMAGE_PINS, namespace: revision.namespace, name: pinName(revision), body };
    const replaced = await this.#call('pin_unwritable', revision, signal, 409, (options) =>
      this.#options.api.replaceNamespacedCustomObject(request, options),
    );
    if (replaced === undefined) return undefined;
    const after = this.#decode(replaced, revision, 'pin_unwritable').pin;
    this.#options.onAdded(after, all.slice(pin.images.length));
    return after;
  }

  #decode(object: unknown, revision: Revision, code: PinStoreError['code']): Found {
    const read = isObject(object) ? readPinObject(object, revision) : undefined;
    const place = { namespace: revision.namespace, name: pinName(revision) };
    if (read === undefined || !isObject(object)) {
      this.#options.onProblem(place, 'it is not about this revision; delete it');
      throw new PinStoreError(code, `${pathOf(revision)} is not about this revision`);
    }
    for (const problem of read.problems) this.#options.onProblem(place, `ignored: ${problem}`);
    return { object, pin: read.pin };
  }

  /** The answer; undefined where it is the expected failure. */
  async #call(
    code: PinStoreError['code'],
    revision: Revision,
    signal: AbortSignal,
    expected: 404 | 409,
    call: (options: ReturnType<typeof endingWith>) => Promise<unknown>,
  ): Promise<unknown> {
    try {
      return await call(endingWith(signal));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ApiException && error.code === expected) return undefined;
      const verb = code === 'pin_unreadable' ? 'read' : 'write';
      throw new PinStoreError(code, `cannot ${verb} ${pathOf(revision)}`, { cause: plainCause(error) });
    }
  }
}

function pathOf(revision: Revision): string {
  return `ImagePin ${revision.namespace}/${pinName(revision)}`;
}
