import type { ServerResponse } from 'node:http';
import { basicUser } from './credentials.ts';
import { RegistryUnderTest, type RegistryUnderTestOptions } from './registry-under-test.ts';

/** A registry that lets only some users in, by the scheme of its choice, with a token server of its own. */
export class GuardedRegistry {
  readonly under: RegistryUnderTest;
  /** Who may pull. */
  allowed = new Set<string>();
  /** What a request gets that carries a token or a user without the right to pull. */
  refusal = 401;
  scheme: 'bearer' | 'basic' = 'bearer';
  /** What the token server gives to a user; undefined refuses. */
  tokenFor = (user: string): string | undefined => `token-of-${user}`;
  /** Where the challenge sends to; the registry itself where undefined. */
  realm: string | undefined;

  private constructor(under: RegistryUnderTest) {
    this.under = under;
    under.answer((response, method, path) => this.#answer(response, method, path));
  }

  static async start(options: RegistryUnderTestOptions = {}): Promise<GuardedRegistry> {
    const under = await RegistryUnderTest.start(options);
    await under.registry.push('shop/web', '1.0', 'first');
    return new GuardedRegistry(under);
  }

  /** Who asked for what, in order: `token ann`, `HEAD ann`, `HEAD -` without any authorization. */
  get story(): string[] {
    return this.under.seen.map(({ method, path, headers: { authorization } }) => {
      const verb = path.startsWith('/token') ? `token${method === 'POST' ? ' by POST' : ''}` : method;
      const token = authorization?.replace('Bearer token-of-', '');
      return `${verb} ${basicUser(authorization) ?? token ?? '-'}`;
    });
  }

  get challenge(): string {
    if (this.scheme === 'basic') return 'Basic realm="registry"';
    return `Bearer realm="${this.realm ?? `http://${this.under.registry.host}/token`}",service="registry"`;
  }

  #answer(response: ServerResponse, _method: string, path: string): void {
    const { authorization } = this.under.seen.at(-1)?.headers ?? {};
    const user = basicUser(authorization);
    if (path.startsWith('/token')) {
      const token = this.tokenFor(authorization === undefined ? 'anonymous' : (user ?? 'nobody'));
      if (token === undefined) return void response.writeHead(401).end();
      return void response.writeHead(200).end(JSON.stringify({ token }));
    }
    const bearer = /^Bearer token-of-(.*)$/.exec(authorization ?? '')?.[1];
    const who = this.scheme === 'basic' ? user : bearer;
    if (who !== undefined && this.allowed.has(who)) return;
    const status = authorization === undefined ? 401 : this.refusal;
    response.writeHead(status, { 'www-authenticate': this.challenge }).end();
  }
}
