import type { ImageResult } from './image-result.ts';

/**
 * The Pod annotation that names what samebytes left alone, for the ValidatingAdmissionPolicy that refuses Pods with an
 * unpinned image: what is not named there slipped in behind us. Ours alone: written anew for every Pod.
 */
export const LEFT_ALONE_ANNOTATION = 'samebytes.dev/left-alone';

/** Past this many names the policy's expression would cost too much; then one `*` stands for all. */
const MAX_NAMES = 100;

/** The annotation's text: names of containers and `volume/NAME`, or `*`; undefined where nothing was left alone. */
export function leftAlone(results: readonly ImageResult[]): string | undefined {
  const names = results.filter(({ is }) => is === 'left').map(({ image }) => image.name);
  if (names.length === 0) return undefined;
  return names.length > MAX_NAMES ? '*' : names.join(',');
}
