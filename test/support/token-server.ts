import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { basicUser } from './credentials.ts';

const ISSUER = 'samebytes-test';
const KEY_ID = 'key-1';
const LIFE_SECONDS = 300;

/** A token server as distribution's specification describes it, with a key pair that a registry can be told of. */
export class TokenServer {
  /** Which repositories each user may pull from; `anonymous` is nobody in particular. */
  readonly rights = new Map<string, readonly string[]>();
  /** Who asked for which scope, in order. */
  readonly asked: string[] = [];
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', ({ url = '/', headers }, response) => {
      const query = new URL(url, 'http://token.test').searchParams;
      const user = headers.authorization === undefined ? 'anonymous' : basicUser(headers.authorization);
      const scope = query.get('scope') ?? '';
      this.asked.push(`${user ?? 'nobody'} ${scope}`);
      if (user === undefined) {
        response.writeHead(401).end();
        return;
      }
      const token = this.#token(user, query.get('service') ?? '', scope);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ token, expires_in: LIFE_SECONDS }));
    });
  }

  static async start(): Promise<TokenServer> {
    const server = createServer();
    const started = new TokenServer(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return started;
  }

  /** `localhost:PORT`. */
  get host(): string {
    const address = this.#server.address();
    return `localhost:${typeof address === 'object' ? address?.port : 0}`;
  }

  /** The registry's `auth.token`; `jwks` is where {@link keys} was written. */
  settings(jwks: string): object {
    const realm = `http://${this.host}/token`;
    return { realm, service: 'registry.test', issuer: ISSUER, jwks, signingalgorithms: ['ES256'] };
  }

  /** The public key as a JSON Web Key Set. */
  get keys(): string {
    const jwk = this.#keys.publicKey.export({ format: 'jwk' });
    return JSON.stringify({ keys: [{ ...jwk, kid: KEY_ID, use: 'sig', alg: 'ES256' }] });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A token may hold less than was asked for: that is no error at the token server. */
  #token(user: string, audience: string, scope: string): string {
    const [type, name = '', actions = ''] = scope.split(':');
    const isAllowed = this.rights.get(user)?.includes(name) === true;
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: ISSUER,
      sub: user,
      aud: audience,
      exp: now + LIFE_SECONDS,
      nbf: now - 10,
      iat: now,
      jti: randomUUID(),
      access: isAllowed ? [{ type, name, actions: actions.split(',') }] : [],
    };
    const text = `${encode({ typ: 'JWT', alg: 'ES256', kid: KEY_ID })}.${encode(claims)}`;
    const key = { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' as const };
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
