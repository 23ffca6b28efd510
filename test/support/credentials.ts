import { Credential, type CredentialOptions, type Identity } from '../../src/registry/identity.ts';

/** A credential whose secret is `secret-of-NAME`. */
export function credentialOf(name: string, options: Partial<CredentialOptions> = {}): Credential {
  return new Credential({
    fingerprint: `fingerprint of ${name}`,
    source: `Secret ${name}`,
    username: name,
    secret: `secret-of-${name}`,
    kind: 'password',
    ...options,
  });
}

/** Who tries these credentials in this order. */
export function identityOf(...credentials: readonly (string | Credential)[]): Identity {
  const all = credentials.map((one) => (typeof one === 'string' ? credentialOf(one) : one));
  return { fingerprint: all.map(({ fingerprint }) => fingerprint).join('+'), credentials: all };
}

/** The user name in an Authorization header of type Basic, if the secret is that user's. */
export function basicUser(header: string | undefined): string | undefined {
  const [scheme, text = ''] = header?.split(' ') ?? [];
  if (scheme !== 'Basic') return undefined;
  const [name, secret] = Buffer.from(text, 'base64').toString('utf8').split(/:(.*)/s);
  return secret === `secret-of-${name}` ? name : undefined;
}
