import { afterEach, describe, expect, test } from '@jest/globals';
import type { Socket } from 'node:net';
import { imageManifest } from '../../../src/demo/oci-registry.ts';
import { answering, MisbehavingServer } from '../../support/misbehaving-server.ts';
import { LISTED, RegistryUnderTest } from '../../support/registry-under-test.ts';
import { until } from '../../support/until.ts';

// Each of these ends within the question's deadline, which is short here, in its class, and leaves no socket.

const DEADLINE_MS = 400;
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const NO_DIGEST = `HTTP/1.1 200 OK\r\ncontent-type: ${MANIFEST}\r\ncontent-length: 9\r\n\r\n`;
const DIGEST = `sha256:${'a'.repeat(64)}`;

let server: MisbehavingServer | undefined;
let under: RegistryUnderTest | undefined;

afterEach(async () => {
  await under?.stop();
  await server?.stop();
});

/** What asking a server that behaves like this comes to. */
async function outcome(
  behave: (socket: Socket) => void,
  registry: Partial<typeof LISTED> = {},
  deadlineMs = DEADLINE_MS,
): Promise<unknown> {
  server = await MisbehavingServer.start(behave);
  under = await RegistryUnderTest.start({
    others: [{ ...LISTED, ...registry, host: server.host }],
    deadlineMs,
  });
  return under.resolveAt(`${server.host}/shop/web:1.0`).catch((error: unknown) => error);
}

/** Answers HEAD and GET in turn, over one connection or several. */
function inTurn(...answers: readonly string[]): (socket: Socket) => void {
  let next = 0;
  return (socket) =>
    void socket.on('data', () => {
      socket.write(answers[next] ?? '');
      next += 1;
    });
}

function page(status: string, headers: string, body = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;
}

/** None but those kept for the next question, one or two; and none at all when the client closes. */
async function noSocketIsLeft(): Promise<void> {
  await until('only kept sockets are left', () => (server?.connections ?? 0) <= 2);
  await under?.stop();
  under = undefined;
  await until('no socket is left', () => server?.connections === 0);
}

describe('an answer of', () => {
  test.each<[string, string, (socket: Socket) => void]>([
    ['a web page', 'invalid_answer', answering(page('200 OK', 'content-type: text/html\r\n', '<html>'))],
    [
      'schema 1',
      'schema1',
      answering(page('200 OK', 'content-type: application/vnd.docker.distribution.manifest.v1+json\r\n')),
    ],
    [
      'schema 1, signed',
      'schema1',
      answering(
        page('200 OK', 'content-type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n'),
      ),
    ],
    ['no HTTP', 'invalid_answer', answering('SSH-2.0-OpenSSH_9.9\r\n')],
    [
      'headers without end',
      'invalid_answer',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        const write = (): void => {
          while (!socket.destroyed && socket.write(`x: ${'y'.repeat(1000)}\r\n`));
        };
        socket.on('drain', write);
        socket.once('data', write);
      },
    ],
    [
      'gzip that was not asked for',
      'invalid_answer',
      inTurn(NO_DIGEST, page('200 OK', `content-type: ${MANIFEST}\r\ncontent-encoding: gzip\r\n`, 'zzz')),
    ],
    [
      'more bytes than may be, by its Content-Length',
      'invalid_answer',
      inTurn(
        NO_DIGEST,
        `HTTP/1.1 200 OK\r\ncontent-type: ${MANIFEST}\r\ncontent-length: 99999999999\r\n\r\n`,
      ),
    ],
    [
      'fewer bytes than its Content-Length says',
      'unreachable',
      inTurn(NO_DIGEST, `HTTP/1.1 200 OK\r\ncontent-type: ${MANIFEST}\r\ncontent-length: 500\r\n\r\n{}`),
    ],
    [
      'more bytes than its Content-Length says',
      'invalid_answer',
      inTurn(NO_DIGEST, `HTTP/1.1 200 OK\r\ncontent-type: ${MANIFEST}\r\ncontent-length: 2\r\n\r\n{}{"a":1}`),
    ],
    [
      'a redirect in a circle',
      'invalid_answer',
      inTurn(
        ...Array.from({ length: 9 }, () => page('302 Found', 'location: /v2/shop/web/manifests/1.0\r\n')),
      ),
    ],
    [
      'a redirect to a host that nobody listed, though it is where the registry may be itself',
      'forbidden_address',
      answering(page('302 Found', 'location: http://127.0.0.1:1/x\r\n')),
    ],
    [
      'a token server at a metadata address',
      'forbidden_address',
      answering(
        page('401 Unauthorized', 'www-authenticate: Bearer realm="http://169.254.169.254/latest"\r\n'),
      ),
    ],
  ])('%s is %s', async (_what, code, behave) => {
    expect(await outcome(behave)).toMatchObject({ name: 'RegistryError', code });
  });

  test('a digest header that lies, on a GET, is not believed, and the operator hears of it', async () => {
    const body = imageManifest('x');
    const headers = `content-type: ${MANIFEST}\r\ndocker-content-digest: ${DIGEST}\r\n`;
    const answer = await outcome(inTurn(NO_DIGEST, page('200 OK', headers, body)));
    expect(answer).toMatchObject({ digest: expect.stringMatching(/^sha256:(?!aaaa)/) });
    expect(under?.events.notices).toMatchObject([{ kind: 'digest_mismatch', subject: 'shop/web' }]);
  });

  test.each(['sha384', 'sha512'])(
    'a digest header by %s is compared by that algorithm',
    async (algorithm) => {
      const body = imageManifest('x');
      const hex = 'a'.repeat(algorithm === 'sha384' ? 96 : 128);
      const headers = `content-type: ${MANIFEST}\r\ndocker-content-digest: ${algorithm}:${hex}\r\n`;
      const answer = await outcome(inTurn(NO_DIGEST, page('200 OK', headers, body)));
      expect(answer).toMatchObject({ digest: expect.stringMatching(/^sha256:/) });
      expect(under?.events.notices).toMatchObject([{ kind: 'digest_mismatch' }]);
    },
  );

  test('a digest on HEAD without a length is looked at again by GET', async () => {
    const body = imageManifest('x');
    const headers = `content-type: ${MANIFEST}\r\n`;
    const head = `HTTP/1.1 200 OK\r\n${headers}docker-content-digest: ${DIGEST}\r\nconnection: close\r\n\r\n`;
    const answer = await outcome(inTurn(head, page('200 OK', headers, body)));
    expect(answer).toMatchObject({ digest: expect.stringMatching(/^sha256:(?!aaaa)/) });
  });
});

const token = (socket: Socket): string => {
  const port = socket.localPort;
  return page('401 Unauthorized', `www-authenticate: Bearer realm="http://127.0.0.1:${port}/token"\r\n`);
};

describe('a server that hangs', () => {
  test.each<[string, (socket: Socket) => void, Partial<typeof LISTED>]>([
    ['before TLS', () => {}, { insecure: false }],
    ['before its headers', () => {}, {}],
    ['in the middle of its headers', answering('HTTP/1.1 200 OK\r\ncontent-ty'), {}],
    ['before its body', inTurn(NO_DIGEST, NO_DIGEST), {}],
    [
      'in the middle of its body',
      inTurn(NO_DIGEST, `HTTP/1.1 200 OK\r\ncontent-type: ${MANIFEST}\r\ncontent-length: 99\r\n\r\n{`),
      {},
    ],
    ['in the body of a refusal', answering('HTTP/1.1 401 No\r\ncontent-length: 99\r\n\r\n{'), {}],
    [
      'before it gives a token',
      (socket) =>
        void socket.on('data', (data) => {
          if (!String(data).includes('/token')) socket.write(token(socket));
        }),
      {},
    ],
    [
      'in the middle of a token',
      (socket) =>
        void socket.on('data', (data) => {
          const half = 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"tok';
          socket.write(String(data).includes('/token') ? half : token(socket));
        }),
      {},
    ],
  ])('%s is given up at the deadline, and no socket is left', async (_where, behave, registry) => {
    const error = await outcome(behave, registry);
    expect(error).toMatchObject({ name: 'RegistryError', code: expect.stringMatching(/unreachable|denied/) });
    await noSocketIsLeft();
  });
});

test('a connection cut in the middle of a body is unreachable, and leaves no socket', async () => {
  const half = `HTTP/1.1 200 OK\r\ncontent-type: ${MANIFEST}\r\ncontent-length: 99\r\n\r\n{`;
  let requests = 0;
  const error = await outcome((socket) => {
    socket.on('data', () => {
      requests += 1;
      if (requests === 1) return socket.write(NO_DIGEST);
      return socket.write(half, () => socket.resetAndDestroy());
    });
  });
  expect(error).toMatchObject({ code: 'unreachable' });
  await noSocketIsLeft();
});

test('a thousand questions at once to a server that hangs do not pile up', async () => {
  const error = await outcome(() => {});
  expect(error).toMatchObject({ code: 'unreachable' });
  const { host = '' } = server ?? {};
  const all = await Promise.all(
    Array.from({ length: 1_000 }, async (_, index) =>
      under?.resolveAt(`${host}/shop/web-${index}:1.0`).catch((failure: unknown) => failure),
    ),
  );
  expect(all.filter((failure) => !(failure as { asked: boolean }).asked).length).toBeGreaterThan(400);
  await noSocketIsLeft();
});

test('large answers that halt share a limit', async () => {
  const size = 4 * 1024 * 1024;
  const halting = (socket: Socket): void => {
    socket.on('data', (data: Buffer) => {
      const text = data.toString('latin1');
      if (text.startsWith('HEAD')) socket.write(NO_DIGEST);
      else {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${MANIFEST}\r\ncontent-length: ${size}\r\n\r\n`);
        socket.write(Buffer.alloc(size - 1, ' '));
      }
    });
  };
  // Long enough for all of that to arrive on a busy machine.
  const error = await outcome(halting, {}, 3_000);
  expect(error).toMatchObject({ code: 'unreachable' });
  const { host = '' } = server ?? {};
  const all = await Promise.all(
    Array.from({ length: 20 }, async (_, index) =>
      under?.resolveAt(`${host}/shop/web-${index}:1.0`).catch((failure: unknown) => failure),
    ),
  );
  expect(all.map(String).filter((text) => text.includes('too many large answers at once'))).not.toEqual([]);
  // Connections that brought nothing but the answer to a HEAD are kept.
  await under?.stop();
  under = undefined;
  await until('no socket is left', () => server?.connections === 0);
}, 30_000);
