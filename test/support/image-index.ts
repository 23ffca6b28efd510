import type { OciRegistry } from '../../src/demo/oci-registry.ts';
import { digest } from './digests.ts';

/** A platform as an index names it. */
export interface IndexPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** Pushes an index over images for these platforms, as a multi-platform build would. Returns its digest. */
export async function pushIndex(
  registry: OciRegistry,
  repository: string,
  tag: string,
  platforms: readonly IndexPlatform[],
): Promise<string> {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const manifests = platforms.map((platform, at) => ({ digest: digest(String(at % 10)), platform }));
  const response = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: JSON.stringify({ schemaVersion: 2, mediaType, manifests }),
  });
  return response.headers.get('docker-content-digest') ?? '';
}
