import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ANONYMOUS } from '../../../src/registry/identity.ts';
import { credentialOf, identityOf } from '../../support/credentials.ts';
import { GuardedRegistry } from '../../support/guarded-registry.ts';
import { RegistryUnderTest } from '../../support/registry-under-test.ts';

const IMAGE = 'shop/web:1.0';

let guarded: GuardedRegistry;

beforeEach(async () => {
  guarded = await GuardedRegistry.start();
});
afterEach(async () => guarded.under.stop());

describe.each(['bearer', 'basic'] as const)('credentials at a registry of scheme %s', (scheme) => {
  beforeEach(() => {
    guarded.scheme = scheme;
  });

  test('are tried in order until one is let in', async () => {
    guarded.allowed.add('cem');
    await guarded.under.resolve(IMAGE, identityOf('ann', 'bob', 'cem', 'dan'));
    const tried = guarded.story.filter((line) => /ann|bob|cem|dan/.test(line));
    expect([...new Set(tried.map((line) => line.split(' ').at(-1)))]).toEqual(['ann', 'bob', 'cem']);
  });

  test('that worked are tried first the next time', async () => {
    guarded.allowed.add('bob');
    const identity = identityOf('ann', 'bob');
    await guarded.under.resolve(IMAGE, identity);
    const before = guarded.story.length;
    await guarded.under.resolve(IMAGE, identity);
    expect(guarded.story.slice(before)).toEqual(['HEAD bob']);
  });

  test('that worked once and no more do not keep the others from being tried', async () => {
    guarded.allowed.add('bob');
    const identity = identityOf('ann', 'bob');
    await guarded.under.resolve(IMAGE, identity);
    guarded.allowed = new Set(['ann']);
    await guarded.under.resolve(IMAGE, identity);
    expect(guarded.story.at(-1)).toBe('HEAD ann');
  });

  test.each([401, 403, 404])('that are all refused (%d) leave one try without any', async (refusal) => {
    guarded.refusal = refusal;
    const error = await guarded.under.failure(IMAGE, identityOf('ann', 'bob'));
    expect(error).toMatchObject({
      code: refusal === 404 ? 'not_found' : 'denied',
      tried: ['Secret ann', 'Secret bob', 'anonymous'],
    });
    expect(guarded.story.at(-1)).toBe(scheme === 'basic' ? 'HEAD -' : 'HEAD anonymous');
  });

  test('of which there are more than four are not all tried', async () => {
    const error = await guarded.under.failure(IMAGE, identityOf('a', 'b', 'c', 'd', 'e', 'f'));
    expect(error.tried).toEqual(['Secret a', 'Secret b', 'Secret c', 'Secret d', 'anonymous']);
    expect(guarded.story.join()).not.toMatch(/ [ef]\b/);
  });

  test.each([429, 500, 503])('are not tried on after a %d', async (status) => {
    guarded.refusal = status;
    await guarded.under.failure(IMAGE, identityOf('ann', 'bob'));
    expect(guarded.story.join()).not.toContain('bob');
    expect(guarded.story.join()).not.toContain('anonymous');
  });

  test('never stand in what an error says', async () => {
    const error = await guarded.under.failure(IMAGE, identityOf('ann', 'bob'));
    const text = `${JSON.stringify(error)} ${String(error)} ${JSON.stringify(guarded.under.events)}`;
    expect(text).not.toMatch(/secret-of|token-of/);
  });
});

test.each(['bearer', 'basic'] as const)(
  'what a registry of scheme %s repeats to us is not logged',
  async (scheme) => {
    guarded.scheme = scheme;
    guarded.allowed.add('ann');
    const { intercept } = guarded.under.registry;
    guarded.under.registry.intercept = (request, response) => {
      const { authorization = 'nothing' } = request.headers;
      response.setHeader('warning', [`299 - "you sent ${authorization}"`, '299 - "ann has secret-of-ann"']);
      return intercept?.(request, response);
    };
    await guarded.under.resolve(IMAGE, identityOf('ann'));
    const logged = JSON.stringify(guarded.under.events.notices);
    expect(logged).toContain('you sent nothing');
    expect(logged).not.toMatch(/secret-of-ann|token-of-ann|Basic/);
  },
);

describe('a public image', () => {
  test('is resolved though every credential is refused, and the operator hears of it', async () => {
    guarded.allowed.add('anonymous');
    await guarded.under.resolve(IMAGE, identityOf('ann'));
    expect(guarded.under.events.notices).toEqual([
      { kind: 'anonymous_instead', registry: guarded.under.registry.host, subject: 'shop/web' },
    ]);
  });

  test('at a registry that asks for nothing is resolved without sending any credential', async () => {
    guarded.under.registry.intercept = undefined;
    await guarded.under.resolve(IMAGE, identityOf('ann'));
    expect(guarded.story).toEqual(['HEAD -']);
    expect(guarded.under.events.notices).toEqual([]);
  });

  test('that does not exist there is asked for once: no credential would be sent', async () => {
    guarded.under.registry.intercept = undefined;
    const error = await guarded.under.failure('shop/web:none', identityOf('ann', 'bob'));
    expect(error).toMatchObject({ code: 'not_found', tried: ['anonymous'] });
    expect(guarded.story).toEqual(['HEAD -']);
  });
});

/** A token that says of itself what it grants. */
function tokenWith(access: readonly object[]): string {
  return `head.${Buffer.from(JSON.stringify({ access })).toString('base64url')}.signature`;
}

describe('a 404', () => {
  test.each([
    ['is final with a token that may pull', [{ type: 'repository', name: 'shop/web', actions: ['pull'] }], 1],
    ['is not final with a token that may not', [{ type: 'repository', name: 'shop/web', actions: [] }], 3],
    [
      'is not final with a token for elsewhere',
      [{ type: 'repository', name: 'shop/x', actions: ['pull'] }],
      3,
    ],
    ['is not final with a token that may nothing', [], 3],
  ])('%s', async (_what, access, tries) => {
    guarded.tokenFor = () => tokenWith(access);
    guarded.refusal = 404;
    const error = await guarded.under.failure(IMAGE, identityOf('ann', 'bob'));
    expect(error.code).toBe('not_found');
    expect(error.tried).toHaveLength(tries);
  });
});

describe('an identity token', () => {
  const token = credentialOf('ann', { kind: 'identity_token' });

  test('goes to the token server by POST, and never to the registry', async () => {
    guarded.allowed.add('ann');
    const bodies: string[] = [];
    const { intercept } = guarded.under.registry;
    guarded.under.registry.intercept = async (request, response) => {
      if (request.method !== 'POST') return intercept?.(request, response);
      for await (const chunk of request) bodies.push(String(chunk));
      response.writeHead(200).end('{"access_token":"token-of-ann"}');
    };
    await guarded.under.resolve(IMAGE, identityOf(token));
    expect(Object.fromEntries(new URLSearchParams(bodies.join('')))).toEqual({
      grant_type: 'refresh_token',
      client_id: 'samebytes',
      service: 'registry',
      scope: 'repository:shop/web:pull',
      refresh_token: 'secret-of-ann',
    });
    expect(guarded.story).toEqual(['HEAD -', 'token by POST -', 'HEAD ann']);
  });

  test('is not sent to a registry that asks for Basic', async () => {
    guarded.scheme = 'basic';
    const error = await guarded.under.failure(IMAGE, identityOf(token));
    expect(error).toMatchObject({ code: 'denied', tried: ['anonymous'] });
    expect(guarded.story).not.toContain('HEAD ann');
  });

  test.each([400, 401, 404, 405])('is tried by GET where POST is answered with %d', async (status) => {
    guarded.allowed.add('ann');
    const { intercept } = guarded.under.registry;
    guarded.under.registry.intercept = (request, response) => {
      if (request.method === 'POST') return void response.writeHead(status).end();
      return intercept?.(request, response);
    };
    await guarded.under.resolve(IMAGE, identityOf(token));
    expect(guarded.story).toEqual(['HEAD -', 'token by POST -', 'token ann', 'HEAD ann']);
  });

  test('is not tried by GET after a 405 where no user name came with it, nor after a 500', async () => {
    const { intercept } = guarded.under.registry;
    let status = 405;
    guarded.under.registry.intercept = (request, response) => {
      if (request.method === 'POST') return void response.writeHead(status).end();
      return intercept?.(request, response);
    };
    const nameless = credentialOf('ann', { kind: 'identity_token', username: '' });
    await guarded.under.failure(IMAGE, identityOf(nameless));
    status = 500;
    await guarded.under.failure(IMAGE, identityOf(credentialOf('bob', { kind: 'identity_token' })));
    expect(guarded.story.filter((line) => line.startsWith('token') && !line.includes('POST'))).toEqual([]);
  });
});

describe('tokens', () => {
  test('are kept per credential: one tenant never asks with the token of another', async () => {
    guarded.allowed = new Set(['ann', 'bob']);
    await guarded.under.resolve(IMAGE, identityOf('ann'));
    await guarded.under.resolve(IMAGE, identityOf('bob'));
    await guarded.under.resolve(IMAGE, identityOf('ann'));
    expect(guarded.story).toEqual(['HEAD -', 'token ann', 'HEAD ann', 'token bob', 'HEAD bob', 'HEAD ann']);
  });

  test('without a credential are shared by all who have none', async () => {
    guarded.allowed.add('anonymous');
    await guarded.under.resolve(IMAGE, ANONYMOUS);
    await guarded.under.resolve(IMAGE, { fingerprint: 'nobody', credentials: [] });
    expect(guarded.story.filter((line) => line.startsWith('token'))).toHaveLength(1);
  });

  test('are asked for with the scope of a challenge that says ours is too little', async () => {
    guarded.allowed.add('ann');
    const wide = 'repository:shop/web:pull,metadata_read';
    const { intercept } = guarded.under.registry;
    guarded.under.registry.intercept = (request, response) => {
      const { method, path } = guarded.under.seen.at(-1) ?? { method: '', path: '' };
      const scopes = guarded.under.seen.map((seen) =>
        new URL(seen.path, 'http://x').searchParams.get('scope'),
      );
      if (method !== 'HEAD' || path.includes('/token') || scopes.includes(wide)) {
        return intercept?.(request, response);
      }
      const error = scopes.some((scope) => scope !== null) ? `,error="insufficient_scope"` : '';
      response
        .writeHead(403 - (error === '' ? 2 : 0), {
          'www-authenticate': `${guarded.challenge},scope="repository:shop/other:pull ${wide}"${error}`,
        })
        .end();
    };
    await guarded.under.resolve(IMAGE, identityOf('ann'));
    expect(guarded.story).toEqual(['HEAD -', 'token ann', 'HEAD ann', 'token ann', 'HEAD ann']);
  });

  test.each(['repository:shop/other:pull', 'repository:shop/web:push', 'registry:catalog:*', '*', ''])(
    'are not asked for with the scope %j of such a challenge',
    async (scope) => {
      guarded.under.answer((response, method) => {
        if (method === 'GET') return response.writeHead(200).end('{"token":"token-of-ann"}');
        const challenge = `${guarded.challenge},scope="${scope}",error="insufficient_scope"`;
        return response.writeHead(401, { 'www-authenticate': challenge }).end();
      });
      await guarded.under.failure(IMAGE);
      expect(guarded.story.filter((line) => line.startsWith('token'))).toHaveLength(1);
    },
  );

  test('that cannot be had from a page do not keep the other credentials from being tried', async () => {
    guarded.allowed.add('bob');
    const { intercept } = guarded.under.registry;
    guarded.under.registry.intercept = (request, response) => {
      if (guarded.story.at(-1) === 'token ann')
        return void response.writeHead(200).end('<html>log in</html>');
      return intercept?.(request, response);
    };
    await guarded.under.resolve(IMAGE, identityOf('ann', 'bob'));
    expect(guarded.story.at(-1)).toBe('HEAD bob');
  });
});

describe('a token server on another host', () => {
  let elsewhere: RegistryUnderTest;

  beforeEach(async () => {
    elsewhere = await RegistryUnderTest.start();
    elsewhere.answer((response) => void response.writeHead(200).end('{"token":"token-of-ann"}'));
  });
  afterEach(async () => elsewhere.stop());

  async function restart(tokenHosts: readonly string[]): Promise<void> {
    await guarded.under.stop();
    guarded = await GuardedRegistry.start({ registry: { tokenHosts } });
    guarded.realm = `http://${elsewhere.registry.host}/token`;
    guarded.allowed.add('ann');
  }

  test('gets credentials where the operator lists it', async () => {
    await restart([elsewhere.registry.host]);
    await guarded.under.resolve(IMAGE, identityOf('ann'));
    expect(elsewhere.seen[0]?.headers.authorization).toMatch(/^Basic /);
    expect(guarded.under.events.notices).toEqual([]);
  });

  test('gets none otherwise, the log says why, and a private or loopback one is not even contacted', async () => {
    await restart([]);
    const error = await guarded.under.failure(IMAGE, identityOf('ann', 'bob'));
    expect(elsewhere.seen).toEqual([]);
    expect(error.code).toBe('forbidden_address');
    const notice = { registry: guarded.under.registry.host, subject: elsewhere.registry.host };
    expect(guarded.under.events.notices).toContainEqual({ kind: 'credentials_withheld', ...notice });
  });
});
