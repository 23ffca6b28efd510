import type { JsonObject } from '../json/json-object.ts';
import { parseReference, repositoryName, normalizedName, type ImageReference } from '../image/reference.ts';
import { readRecordedImages } from '../pins/recorded-images.ts';
import { podImages, type PodImage } from './pod-images.ts';
import type { AdmissionRequest } from './review.ts';

/** The images that an admission may touch, and what the Pod had before. */
export interface ChangedImages {
  readonly images: readonly PodImage[];
  /**
   * The digest that a container already has, where an UPDATE puts back the very reference that it was pinned from:
   * `kubectl apply` of a bare Pod, twice, must change nothing and ask no registry.
   */
  readonly putBack: (container: string, reference: ImageReference) => string | undefined;
}

/**
 * On CREATE every image. On UPDATE only those that the request changes, compared by name, since a strategic merge
 * patch puts a new debug container in front; and of these only what the API server lets anyone change: images of
 * containers, and ephemeral containers that are new.
 * @throws {InvalidPodError}
 */
export function changedImages(request: AdmissionRequest, pod: JsonObject): ChangedImages {
  const images = podImages(pod);
  const { oldObject } = request;
  if (request.operation === 'CREATE' || oldObject === undefined) return { images, putBack: () => undefined };

  const before = new Map(podImages(oldObject).map((image) => [image.name, image]));
  const changed = images.filter((image) => {
    const old = before.get(image.name);
    if (image.type === 'ephemeral') return old === undefined;
    return image.type === 'container' && old?.image !== image.image;
  });
  const onlyEphemeral = request.subResource === 'ephemeralcontainers';
  return {
    images: onlyEphemeral ? changed.filter(({ type }) => type === 'ephemeral') : changed,
    putBack: digestsToPutBack(oldObject, before),
  };
}

function digestsToPutBack(
  oldObject: JsonObject,
  before: ReadonlyMap<string, PodImage>,
): ChangedImages['putBack'] {
  const recorded = readRecordedImages(oldObject);
  return (container, reference) => {
    const record = recorded.get(container);
    const running = tryParse(before.get(container)?.image);
    const original = tryParse(record?.reference);
    if (running?.digest === undefined || running.digest !== record?.digest) return undefined;
    if (original === undefined || normalizedName(original) !== normalizedName(reference)) return undefined;
    return repositoryName(running) === repositoryName(reference) ? running.digest : undefined;
  };
}

function tryParse(text: string | undefined): ImageReference | undefined {
  try {
    return text === undefined ? undefined : parseReference(text);
  } catch {
    return undefined;
  }
}
