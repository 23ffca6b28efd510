import type { Challenge } from './challenge.ts';
import type { Endpoint } from './endpoint.ts';
import { RegistryError } from './errors.ts';

/** What a registry's Bearer challenge told about its token server. */
export interface TokenServer {
  readonly realm: URL;
  readonly service: string | undefined;
}

/**
 * The token server that a challenge names, under the realm rule: https (http only where the registry itself is
 * spoken to in http), no user information, no fragment. The registry chooses the realm, so this is what keeps a
 * hostile one from sending us where it likes; the transport checks the address.
 * @throws {RegistryError} `invalid_answer` for any other realm.
 */
export function tokenServerOf(challenge: Challenge, { registry, insecure }: Endpoint): TokenServer {
  const text = challenge.parameters.get('realm') ?? '';
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  const schemes = insecure ? ['https:', 'http:'] : ['https:'];
  const plain = realm?.username === '' && realm.password === '' && realm.hash === '';
  if (realm === undefined || !schemes.includes(realm.protocol) || !plain) {
    throw new RegistryError('invalid_answer', `${registry} names a token server that may not be used`, {
      registry,
    });
  }
  return { realm, service: challenge.parameters.get('service') };
}
