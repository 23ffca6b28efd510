import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { imageManifest } from '../../../src/demo/oci-registry.ts';
import { digestOf } from '../../../src/image/digest.ts';
import { basicUser, identityOf } from '../../support/credentials.ts';
import { RegistryUnderTest } from '../../support/registry-under-test.ts';

// What each kind of registry does otherwise than the specification, played by a registry in this process.

const IMAGE = 'shop/web:1.0';
const PATH = '/v2/shop/web/manifests/1.0';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const BODY = imageManifest('odd');
const BODY_DIGEST = digestOf(Buffer.from(BODY));

let under: RegistryUnderTest;
let digest: string;

beforeEach(async () => {
  under = await RegistryUnderTest.start();
  digest = await under.registry.push('shop/web', '1.0', 'first');
});
afterEach(async () => under.stop());

const authorization = (): string | undefined => under.seen.at(-1)?.headers.authorization;
const realm = (): string => `http://${under.registry.host}/token`;

function challenge(response: ServerResponse, ...headers: string[]): void {
  response.writeHead(401, { 'www-authenticate': headers }).end();
}

/** Lets in whoever carries the token `good`, and gives it to everybody who asks. */
function askingForTokens(refuse: (response: ServerResponse) => void): void {
  under.answer((response, _method, path) => {
    if (path.startsWith('/token')) response.writeHead(200).end('{"token":"good"}');
    else if (authorization() !== 'Bearer good') refuse(response);
  });
}

describe('ECR private', () => {
  test('takes user name and password themselves', async () => {
    under.answer((response) => {
      if (basicUser(authorization()) === 'AWS') return;
      challenge(
        response,
        'Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"',
      );
    });
    expect((await under.resolve(IMAGE, identityOf('AWS'))).digest).toBe(digest);
  });

  test('leaves the digest out of some answers: the manifest is read', async () => {
    under.answer((response, method) => {
      response.writeHead(200, { 'content-type': MANIFEST, 'content-length': BODY.length });
      response.end(method === 'HEAD' ? undefined : BODY);
    });
    expect((await under.resolve(IMAGE)).digest).toBe(BODY_DIGEST);
  });

  test('says 403 to an expired token: the other credentials are tried', async () => {
    under.answer((response) => {
      const user = basicUser(authorization());
      if (user === undefined) challenge(response, 'Basic realm="ecr"');
      else if (user === 'expired') response.writeHead(403).end('{"errors":[{"code":"DENIED"}]}');
    });
    expect((await under.resolve(IMAGE, identityOf('expired', 'AWS'))).digest).toBe(digest);
  });
});

test('ECR public gives tokens to anybody', async () => {
  askingForTokens((response) => challenge(response, `Bearer realm="${realm()}",service="public.ecr.aws"`));
  expect((await under.resolve(IMAGE)).digest).toBe(digest);
});

describe('Google Artifact Registry', () => {
  test('has no POST for tokens: passwords go by GET at once', async () => {
    askingForTokens((response) => challenge(response, `Bearer realm="${realm()}"`));
    await under.resolve(IMAGE, identityOf('oauth2accesstoken'));
    expect(under.asked.filter((request) => request.includes('/token'))).toEqual([
      'GET /token?scope=repository%3Ashop%2Fweb%3Apull',
    ]);
  });

  test('says 403 for what is not there: access is denied, and anonymously tried', async () => {
    askingForTokens((response) => challenge(response, `Bearer realm="${realm()}"`));
    const { intercept } = under.registry;
    under.registry.intercept = (request, response) => {
      if (authorization() === 'Bearer good') return void response.writeHead(403).end();
      return intercept?.(request, response);
    };
    expect(await under.failure(IMAGE, identityOf('ann'))).toMatchObject({
      code: 'denied',
      status: 403,
      tried: ['Secret ann', 'anonymous'],
    });
  });
});

test('Azure Container Registry refuses stale credentials with 400: it is asked anonymously at last', async () => {
  under.answer((response, _method, path) => {
    if (path.startsWith('/token')) {
      const isAnonymous = authorization() === undefined;
      response.writeHead(isAnonymous ? 200 : 400).end('{"access_token":"good"}');
    } else if (authorization() !== 'Bearer good') challenge(response, `Bearer realm="${realm()}"`);
  });
  expect((await under.resolve(IMAGE, identityOf('stale'))).digest).toBe(digest);
});

describe('GHCR', () => {
  test.each([401, 403])(
    'refuses the anonymous token of a private package with %d: access is denied',
    async (status) => {
      under.answer((response, _method, path) => {
        if (path.startsWith('/token')) response.writeHead(status).end();
        else challenge(response, `Bearer realm="${realm()}"`);
      });
      expect(await under.failure(IMAGE)).toMatchObject({ code: 'denied', tried: ['anonymous'] });
    },
  );

  test('names a placeholder scope, which is never asked for', async () => {
    askingForTokens((response) =>
      challenge(response, `Bearer realm="${realm()}",scope="repository:user/image:pull"`),
    );
    await under.resolve(IMAGE);
    expect(under.asked[1]).toContain('scope=repository%3Ashop%2Fweb%3Apull');
  });
});

test('GitLab has its token server on another host, known for registry.gitlab.com', async () => {
  const { Endpoints } = await import('../../../src/registry/endpoint.ts');
  const endpoints = new Endpoints({ registries: [], userAgent: 'samebytes-test' });
  const gitlab = endpoints.of('registry.gitlab.com');
  expect(gitlab?.trusts(new URL('https://gitlab.com/jwt/auth'))).toBe(true);
  expect(gitlab?.trusts(new URL('https://gitlab.com.evil.test/jwt/auth'))).toBe(false);
  expect(endpoints.of('registry.gitlab.test')?.trusts(new URL('https://gitlab.com/jwt/auth'))).toBe(false);
  await endpoints.close();
});

test('Quay and distribution convert to what is accepted: HEAD and GET accept the same, all of it', async () => {
  under.answer((response, method) => {
    if (method === 'HEAD') response.writeHead(200, { 'content-type': MANIFEST }).end();
  });
  await under.resolve(IMAGE);
  const accepted = under.seen.map(({ headers }) => headers.accept);
  expect(accepted).toHaveLength(2);
  expect(accepted[0]).toBe(accepted[1]);
});

describe('Harbor', () => {
  test('answers a stale token with Basic only: it is asked once without, and with the new token', async () => {
    let good = 'first';
    under.answer((response, _method, path) => {
      const basic = authorization() !== undefined;
      if (path.startsWith('/token')) response.writeHead(200).end(JSON.stringify({ token: good }));
      else if (authorization() !== `Bearer ${good}`)
        challenge(response, basic ? 'Basic realm="harbor"' : `Bearer realm="${realm()}"`);
    });
    await under.resolve(IMAGE);
    good = 'second';
    expect((await under.resolve(IMAGE)).digest).toBe(digest);
  });

  test('redirects one-element Hub names of a proxy project to library/ on the same host, token and all', async () => {
    const hub = await under.registry.push('proxy/library/web', '1.0', 'hub');
    askingForTokens((response) => challenge(response, `Bearer realm="${realm()}"`));
    const { intercept } = under.registry;
    under.registry.intercept = (request, response) => {
      if (request.url === '/v2/proxy/web/manifests/1.0' && authorization() === 'Bearer good') {
        return void response.writeHead(301, { location: '/v2/proxy/library/web/manifests/1.0' }).end();
      }
      return intercept?.(request, response);
    };
    expect((await under.resolve('proxy/web:1.0')).digest).toBe(hub);
  });

  test('says 412 where its policy forbids an image: that is final, and no other credential is tried', async () => {
    under.answer((response) => void response.writeHead(412).end());
    expect((await under.failure(IMAGE, identityOf('ann', 'bob'))).code).toBe('policy');
    expect(under.seen).toHaveLength(1);
  });
});

describe('Artifactory', () => {
  test('leaves the digest out of HEAD and calls it octet-stream: the manifest is read, X-Checksum is not', async () => {
    under.answer((response, method) => {
      const checksum = { 'x-checksum-sha256': 'a'.repeat(64) };
      if (method === 'HEAD') {
        return void response
          .writeHead(200, { 'content-type': 'application/octet-stream', ...checksum })
          .end();
      }
      return void response.writeHead(200, { 'content-type': MANIFEST, ...checksum }).end(BODY);
    });
    expect((await under.resolve(IMAGE)).digest).toBe(BODY_DIGEST);
  });

  test('says 403 for absent tags of virtual repositories: access is denied', async () => {
    under.answer((response) => void response.writeHead(403).end());
    expect((await under.failure(IMAGE)).code).toBe('denied');
  });
});

describe('Nexus', () => {
  test.each([400, 405, 501])(
    'answers HEAD with %d in old versions: it is asked by GET, from now on',
    async (status) => {
      under.answer((response, method) => {
        if (method === 'HEAD') response.writeHead(status).end();
      });
      expect((await under.resolve(IMAGE)).digest).toBe(digest);
      await under.resolve(IMAGE);
      expect(under.asked).toEqual([`HEAD ${PATH}`, `GET ${PATH}`, `GET ${PATH}`]);
    },
  );

  test('is not taken to lack HEAD where GET is no better', async () => {
    under.answer((response) => void response.writeHead(400).end());
    await under.failure(IMAGE);
    under.registry.intercept = undefined;
    await under.resolve(IMAGE);
    expect(under.asked.at(-1)).toBe(`HEAD ${PATH}`);
  });
});

test('Gitea puts Basic and Bearer into one header, with the scope *', async () => {
  askingForTokens((response) =>
    challenge(
      response,
      `Basic realm="Gitea Package API", Bearer realm="${realm()}",service="container_registry",scope="*"`,
    ),
  );
  expect((await under.resolve(IMAGE)).digest).toBe(digest);
  expect(under.asked[1]).toBe('GET /token?service=container_registry&scope=repository%3Ashop%2Fweb%3Apull');
});

describe('registry.access.redhat.com', () => {
  test('has no digest header: the bytes are asked for as they are stored', async () => {
    under.answer((response, method) => {
      response.writeHead(200, { 'content-type': MANIFEST }).end(method === 'HEAD' ? undefined : BODY);
    });
    expect((await under.resolve(IMAGE)).digest).toBe(BODY_DIGEST);
    expect(under.seen.map(({ headers }) => headers['accept-encoding'])).toEqual(['identity', 'identity']);
  });

  test('answers in text/plain: refused in words that say so', async () => {
    under.answer((response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end());
    expect((await under.failure(IMAGE)).message).toBe('the registry answered with a page of type text/plain');
  });
});

function limited(remaining: number): void {
  under.answer((response, method) => {
    response.writeHead(200, {
      'content-type': MANIFEST,
      'ratelimit-limit': '100;w=21600',
      'ratelimit-remaining': `${remaining};w=21600`,
    });
    response.end(method === 'HEAD' ? undefined : BODY);
  });
}

describe('Docker Hub', () => {
  test('says how many pulls are left, which becomes a metric', async () => {
    limited(76);
    await under.resolve(IMAGE);
    expect(under.events.pulls).toContainEqual([under.registry.host, 76]);
  });

  test('counts a GET as a pull: none is spent where hardly any are left', async () => {
    limited(9);
    expect(await under.failure(IMAGE)).toMatchObject({ code: 'throttled', asked: false });
    expect(under.asked).toEqual([`HEAD ${PATH}`]);
  });

  test('is asked by GET again later, even if it never says that there are more', async () => {
    limited(9);
    await under.failure(IMAGE);
    under.answer((response, method) => {
      response.writeHead(method === 'HEAD' ? 405 : 200, { 'content-type': MANIFEST }).end(BODY);
    });
    under.clock.advance(10 * 60_000 + 1);
    expect((await under.resolve(IMAGE)).digest).toBe(BODY_DIGEST);
  });

  test('has its token server on another host, and its registry on a third', async () => {
    const { Endpoints } = await import('../../../src/registry/endpoint.ts');
    const endpoints = new Endpoints({ registries: [], userAgent: 'samebytes-test' });
    const hub = endpoints.of('docker.io');
    expect(hub?.origin.href).toBe('https://registry-1.docker.io/');
    expect(hub?.trusts(new URL('https://auth.docker.io/token'))).toBe(true);
    expect(hub?.trusts(new URL('http://auth.docker.io/token'))).toBe(false);
    await endpoints.close();
  });
});

test('a warning of a registry is passed on, and no other warning header', async () => {
  under.answer((response) =>
    response.setHeader('warning', ['299 - "this registry \\"moves\\""', '199 - "x"', '299']),
  );
  await under.resolve(IMAGE);
  expect(under.events.notices).toEqual([
    { kind: 'registry_warning', registry: under.registry.host, subject: 'this registry "moves"' },
  ]);
});

test('a registry that names another token server with every refusal is not followed for ever', async () => {
  let count = 0;
  under.answer((response, _method, path) => {
    if (path.startsWith('/token')) return void response.writeHead(200).end('{"token":"good"}');
    count += 1;
    return challenge(response, `Bearer realm="${realm()}?${count}",service="s${count}"`);
  });
  expect((await under.failure(IMAGE)).code).toBe('denied');
  expect(under.seen.length).toBeLessThanOrEqual(10);
});
