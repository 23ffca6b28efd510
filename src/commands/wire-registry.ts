import { readCaFile } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import { Authorizer } from '../registry/authorizer.ts';
import { RegistryClient } from '../registry/client.ts';
import { Endpoints, type RegistryOptions } from '../registry/endpoint.ts';
import { TokenSource } from '../registry/token.ts';
import type { CountCacheRequest } from '../telemetry/cache-result.ts';
import type { RegistryRequestEvent } from '../telemetry/registry-request.ts';
import { USER_AGENT } from './version.ts';

export interface RegistryWiring {
  readonly registries: readonly RegistryOptions[];
  readonly countCacheRequest: CountCacheRequest;
  readonly onRequest: (event: RegistryRequestEvent) => void;
}

const MAX_REGISTRIES = 1_000;
const MAX_TOKENS = 10_000;
const now = (): number => performance.now();

/** Joins the parts that ask registries. `close` frees the connections, once requests under way have ended. */
export function wireRegistry({ registries, countCacheRequest, onRequest }: RegistryWiring): {
  client: RegistryClient;
  close: () => Promise<void>;
} {
  const endpoints = new Endpoints(registries, USER_AGENT);
  const tokens = new TokenSource({ maxTokens: MAX_TOKENS, countCacheRequest, now });
  const client = new RegistryClient({
    endpoints,
    authorizer: new Authorizer({ tokens, maxRegistries: MAX_REGISTRIES, countCacheRequest }),
    maxRegistries: MAX_REGISTRIES,
    onRequest,
    now,
  });
  return { client, close: () => endpoints.close() };
}

/** What the settings say of registries, with the CA files that they name. @throws {SettingsError} for such a file. */
export function registryOptions(registries: Settings['registries']): RegistryOptions[] {
  return registries.map((registry, index) => {
    const { host, insecure, caFile, allowPrivateAddresses: allowPrivate, allowLoopback } = registry;
    const ca = caFile === undefined ? undefined : readCaFile(caFile, `registries[${index}].caFile`);
    return { host, insecure, ca, allowPrivate, allowLoopback };
  });
}
