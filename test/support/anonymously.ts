import type { PullCredentials } from '../../src/credentials/keychain.ts';
import { ANONYMOUS } from '../../src/registry/identity.ts';

/** The credentials of a Pod that names no pull secrets. */
export async function anonymously(): Promise<PullCredentials> {
  return { identity: ANONYMOUS, problems: [], noneMatches: false };
}
