import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { OciRegistry } from '../../src/demo/oci-registry.ts';
import type { Exit } from '../support/child-process.ts';
import { digest as madeUp } from '../support/digests.ts';
import { pushIndex } from '../support/image-index.ts';
import { SamebytesProcess } from '../support/processes.ts';
import { TlsFront } from '../support/tls-front.ts';
import { until } from '../support/until.ts';

// `samebytes resolve` as a process, before a real registry.

jest.setTimeout(30_000);

const INDEX = 'application/vnd.oci.image.index.v1+json';
const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };
const ATTESTATION = { os: 'unknown', architecture: 'unknown' };

let directory: string;
let processes: SamebytesProcess[];
let registry: OciRegistry;
let web: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'samebytes-resolve-'));
  processes = [];
  registry = new OciRegistry();
  await registry.start();
  web = `${registry.host}/shop/web`;
});

afterEach(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});

async function settingsFile(registries: readonly object[]): Promise<string> {
  const file = join(directory, 'settings.yaml');
  await writeFile(file, JSON.stringify({ registries }));
  return file;
}

/** Starts `samebytes resolve` with settings under which the registry may be asked. */
async function start(args: readonly string[], input?: string): Promise<SamebytesProcess> {
  const file = await settingsFile([{ host: registry.host, insecure: true, allowLoopback: true }]);
  return startPlain(['--config', file, ...args], input);
}

function startPlain(args: readonly string[], input?: string): SamebytesProcess {
  const started = new SamebytesProcess(['resolve', ...args], {}, input);
  processes.push(started);
  return started;
}

async function resolve(args: readonly string[], input?: string): Promise<Exit> {
  return (await start(args, input)).exited;
}

interface JsonImage {
  readonly image: string;
  readonly digest: string | null;
  readonly platforms: readonly string[] | null;
  readonly platformsFailure: { readonly class: string } | null;
  readonly durationMs: number;
  readonly failure: Readonly<Record<'class' | 'message' | 'cause' | 'nextStep', string>> | null;
}

function imagesOf(stdout: string): JsonImage[] {
  return (JSON.parse(stdout) as { images: JsonImage[] }).images;
}

const listed = (stdout: string): string[] => imagesOf(stdout).map(({ image }) => image);

const asked = (): string[] => registry.manifestRequests.map(({ method, path }) => `${method} ${path}`);

describe('a table', () => {
  test('shows registry, repository, tag, digest, type, time and platforms, without colour', async () => {
    const index = await pushIndex(registry, 'shop/web', '1.0', [AMD64, ARM64, ATTESTATION]);
    const image = await registry.push('shop/tool', 'v2', 'tool');
    const { code, stdout, stderr } = await resolve([`${web}:1.0`, `${registry.host}/shop/tool:v2`]);
    const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
    const time = expect.stringMatching(/^[\d.]+ (?:ms|s)$/);
    expect(rows).toEqual([
      ['REGISTRY', 'REPOSITORY', 'TAG', 'DIGEST', 'TYPE', 'TIME', 'PLATFORMS'],
      [registry.host, 'shop/web', '1.0', index, 'OCI index', time, 'linux/amd64, linux/arm64/v8'],
      [registry.host, 'shop/tool', 'v2', image, 'OCI image', time, 'single platform'],
      [''],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('has the images that were found; what failed stands on stderr with class and next step', async () => {
    const digest = await registry.push('shop/web', '1.0', 'web');
    const { code, stdout, stderr } = await resolve([`${web}:nope`, `${web}:1.0`, 'Shop/Web']);
    expect(code).toBe(1);
    expect(stdout).toContain(digest);
    expect(stdout).not.toContain('nope');
    expect(stderr).toContain('samebytes: 2 of 3 images could not be resolved');
    expect(stderr).toMatch(/not_found: .*\n {2}\S*\/shop\/web:nope\n {2}cause: .* 404\n {2}next: .*push it/);
    expect(stderr).toMatch(/invalid_reference: .*\n {2}Shop\/Web\n {2}cause: .*lower case\n/);
  });

  test('is not begun where nothing was found', async () => {
    expect(await resolve([`${web}:nope`])).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('JSON', () => {
  test('has every field of every image, in the order given', async () => {
    const index = await pushIndex(registry, 'shop/web', '1.0', [AMD64, ATTESTATION, ARM64]);
    const { code, stdout, stderr } = await resolve(['-o', 'json', `${web}:nope`, `${web}:1.0`, 'Web']);
    const name = { registry: registry.host, repository: 'shop/web' };
    expect(imagesOf(stdout)).toEqual([
      {
        image: `${web}:nope`,
        ...name,
        tag: 'nope',
        digest: null,
        digestFrom: null,
        mediaType: null,
        platforms: null,
        platformsFailure: null,
        durationMs: expect.any(Number),
        failure: {
          class: 'not_found',
          message: expect.any(String),
          cause: 'the HEAD of the manifest was answered with status 404',
          nextStep: expect.stringContaining('push it'),
        },
      },
      {
        image: `${web}:1.0`,
        ...name,
        tag: '1.0',
        digest: index,
        digestFrom: 'registry',
        mediaType: INDEX,
        platforms: ['linux/amd64', 'linux/arm64/v8'],
        platformsFailure: null,
        durationMs: expect.any(Number),
        failure: null,
      },
      expect.objectContaining({
        image: 'Web',
        registry: null,
        failure: expect.objectContaining({ class: 'invalid_reference' }),
      }),
    ]);
    expect(code).toBe(1);
    expect(stderr).toBe('samebytes: 2 of 3 images could not be resolved: see `failure` in the output\n');
  });

  test('of images that were all found goes with status 0 and nothing on stderr', async () => {
    await registry.push('shop/web', '1.0', 'web');
    expect(await resolve(['-o', 'json', `${web}:1.0`])).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('an image that has a digest', () => {
  test('keeps it, whatever its tag means; the registry says what it is', async () => {
    const old = await registry.push('shop/web', '1.0', 'old');
    await registry.push('shop/web', '1.0', 'new');
    const { code, stdout } = await resolve(['-o', 'json', `${web}:1.0@${old}`]);
    expect(imagesOf(stdout)).toMatchObject([
      { tag: '1.0', digest: old, digestFrom: 'reference', mediaType: IMAGE, failure: null },
    ]);
    expect(code).toBe(0);
    expect((await resolve([`${web}@${old}`])).stdout).toMatch(/ - +sha256:\w+ \(as written\) +OCI image /);
  });

  test('fails where the registry has no such manifest, and still shows the digest', async () => {
    const { code, stdout } = await resolve(['-o', 'json', `${web}@${madeUp('a')}`]);
    expect(imagesOf(stdout)).toMatchObject([
      { digest: madeUp('a'), digestFrom: 'reference', failure: { class: 'not_found' } },
    ]);
    expect(code).toBe(1);
  });
});

describe('platforms', () => {
  test('of an index cost one GET; of an image nothing; with --no-platforms nothing ever', async () => {
    const index = await pushIndex(registry, 'shop/web', '1.0', [AMD64]);
    await registry.push('shop/tool', 'v2', 'tool');
    const images = [`${web}:1.0`, `${registry.host}/shop/tool:v2`];
    const heads = ['HEAD /v2/shop/tool/manifests/v2', 'HEAD /v2/shop/web/manifests/1.0'];
    await resolve(images);
    expect(asked().toSorted()).toEqual([`GET /v2/shop/web/manifests/${index}`, ...heads]);
    registry.seen.length = 0;
    const { stdout } = await resolve(['--no-platforms', ...images]);
    expect(asked().toSorted()).toEqual(heads);
    expect(stdout).not.toContain('PLATFORMS');
  });

  test('that cannot be read leave the digest as it is: no failure', async () => {
    const index = await pushIndex(registry, 'shop/web', '1.0', [AMD64]);
    registry.intercept = ({ method }, response) => {
      if (method === 'GET') response.writeHead(429).end();
    };
    const { code, stdout, stderr } = await resolve(['-o', 'json', `${web}:1.0`]);
    expect(imagesOf(stdout)).toMatchObject([
      { digest: index, platforms: null, platformsFailure: { class: 'throttled' }, failure: null },
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect((await resolve([`${web}:1.0`])).stdout).toContain('not read: throttled');
  });
});

describe('images from standard input', () => {
  test.each([
    ['without an argument', []],
    ['where - is the argument', ['-']],
  ])('are read one a line %s; comments and blank lines are passed over', async (_when, args) => {
    await registry.push('shop/web', '1.0', 'web');
    await registry.push('shop/web', '2.0', 'web');
    const text = `\uFEFF# all of them\r\n\r\n  ${web}:1.0\r\n#${web}:3.0\n\t\n${web}:2.0 # newer\n${web}:1.0`;
    const { code, stdout } = await resolve(['-o', 'json', ...args], text);
    expect(listed(stdout)).toEqual([`${web}:1.0`, `${web}:2.0`]);
    expect(code).toBe(0);
    expect(asked()).toHaveLength(2);
  });

  test('stand where - stands among the others', async () => {
    const { stdout } = await resolve(['-o', 'json', `${web}:1`, '-', `${web}:4`], `${web}:2\n${web}:3\n`);
    expect(listed(stdout)).toEqual([`${web}:1`, `${web}:2`, `${web}:3`, `${web}:4`]);
  });

  test.each([
    ['nothing', ''],
    ['comments alone', '# nginx\n\n'],
  ])('that are %s are said to be missing', async (_what, text) => {
    const { code, stderr } = await resolve([], text);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'samebytes: no image is named: standard input holds none\n',
    });
  });

  test('without an end, or too many, are refused', async () => {
    const endless = await resolve(['-'], 'x'.repeat(5 * 1024 * 1024));
    expect(endless).toMatchObject({ code: 1, stderr: expect.stringContaining('more than 4 MiB') });
    const many = Array.from({ length: 10_001 }, (_, at) => `nginx:${at}`).join('\n');
    expect(await resolve(['-'], many)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('10001 images are more than the 10000'),
    });
  });
});

describe('of many images', () => {
  const tags = Array.from({ length: 20 }, (_, at) => `v${at}`);

  test('eight are asked for at the same time, and no more', async () => {
    const gaveUp = Promise.withResolvers<number>();
    registry.intercept = async (_request, response) => {
      response.once('close', () => gaveUp.resolve(asked().length));
      await new Promise(() => {});
    };
    await start(['--timeout', '3s', ...tags.map((tag) => `${web}:${tag}`)]);
    // Until the first time is up nothing ends, so nothing new is begun.
    expect(await gaveUp.promise).toBe(8);
  });

  test('a slow one holds up none of the others, and all are shown in the order given', async () => {
    await Promise.all(tags.map((tag) => registry.push('shop/web', tag, tag)));
    const others = Promise.withResolvers<void>();
    let answered = 0;
    registry.intercept = async ({ url }, response) => {
      if (url?.endsWith('/v0')) await others.promise;
      response.once('close', () => {
        answered += 1;
        if (answered === tags.length - 1) others.resolve();
      });
    };
    const { code, stdout } = await resolve(tags.map((tag) => `${web}:${tag}`));
    expect(code).toBe(0);
    expect([...stdout.matchAll(/ (v\d+) /g)].map(([, tag]) => tag)).toEqual(tags);
  });
});

describe('an image whose registry does not answer', () => {
  test('fails when its own time is up; the others are found', async () => {
    const digest = await registry.push('shop/web', '1.0', 'web');
    registry.intercept = async ({ url }) => {
      if (url?.includes('hanging')) await new Promise(() => {});
    };
    const hanging = `${registry.host}/shop/hanging:1`;
    const { code, stdout, stderr } = await resolve(['--timeout', '1500ms', hanging, `${web}:1.0`]);
    expect(code).toBe(1);
    expect(stdout).toContain(digest);
    expect(stderr).toMatch(/deadline: .*\n {2}\S*\/shop\/hanging:1\n {2}cause: not done after 1.5 s\n/);
    expect(stderr).toContain('--timeout');
  });

  test('does not hold up Ctrl-C', async () => {
    const arrived = Promise.withResolvers<void>();
    registry.intercept = async () => {
      arrived.resolve();
      await new Promise(() => {});
    };
    const resolving = await start(['--timeout', '10m', `${web}:1.0`]);
    await arrived.promise;
    resolving.signal('SIGINT');
    expect(await resolving.exited).toMatchObject({ signal: 'SIGINT', stderr: '' });
  });
});

test('where nobody reads the output any more it ends quietly and asks for nothing else', async () => {
  const tags = Array.from({ length: 40 }, (_, at) => `v${at}`);
  await Promise.all(tags.map((tag) => registry.push('shop/web', tag, tag)));
  const read = Promise.withResolvers<void>();
  registry.intercept = async ({ method, url }) => {
    if (method === 'HEAD' && url?.endsWith('/v0') === false) await read.promise;
  };
  const resolving = await start(tags.map((tag) => `${web}:${tag}`));
  await resolving.printed(/ v0 /);
  resolving.closeStdout();
  await until('the requests under way', () => asked().length >= 8);
  read.resolve();
  expect(await resolving.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
  expect(asked().length).toBeLessThan(40);
});

describe('addresses of this machine', () => {
  test('are closed; the message names the flag that opens them', async () => {
    const { code, stderr } = await startPlain([`${web}:1.0`]).exited;
    expect(code).toBe(1);
    expect(stderr).toContain('forbidden_address: ');
    expect(stderr).toContain('if it is meant to be there: --allow-loopback');
    expect(registry.seen).toEqual([]);
  });

  test('are open with --allow-loopback, which does not mean plain HTTP', async () => {
    const { code, stderr } = await startPlain(['--allow-loopback', `${web}:1.0`]).exited;
    expect(code).toBe(1);
    expect(stderr).toContain('it does not speak TLS');
    expect(stderr).toContain(`registries: [{ host: '${registry.host}', insecure: true }]`);
  });

  test('stay closed where only --allow-private is given', async () => {
    const { stderr } = await startPlain(['--allow-private', `${web}:1.0`]).exited;
    expect(stderr).toContain('forbidden_address: ');
    expect(stderr).toContain('--allow-loopback');
    expect(stderr).not.toContain('--allow-private');
  });
});

describe('a registry with a certificate of a private authority', () => {
  let front: TlsFront;
  let image: string;

  beforeEach(async () => {
    front = await TlsFront.before(Number(registry.host.split(':')[1]), ['localhost']);
    image = `localhost:${front.port}/shop/web:1.0`;
  });

  afterEach(() => front.stop());

  test('is asked where the settings name the authority', async () => {
    const digest = await registry.push('shop/web', '1.0', 'web');
    const caFile = join(directory, 'ca.pem');
    await writeFile(caFile, front.ca);
    const file = await settingsFile([{ host: `localhost:${front.port}`, caFile }]);
    const { code, stdout } = await startPlain(['--config', file, '--allow-loopback', image]).exited;
    expect(stdout).toContain(digest);
    expect(code).toBe(0);
  });

  test('is not trusted otherwise; the message names the setting', async () => {
    const { code, stderr } = await startPlain(['--allow-loopback', image]).exited;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^certificate: .*\n.*\n {2}cause: .*authority is unknown \([A-Z_]+\)\n/m);
    expect(stderr).toContain('registries[].caFile');
    expect(registry.seen).toEqual([]);
  });
});

describe('what a stranger writes', () => {
  test('in a refusal is not shown: neither body nor token', async () => {
    registry.intercept = ({ url }, response) => {
      const challenge = `Bearer realm="http://${registry.host}/token?key=t0ps3cret"`;
      if (url?.startsWith('/token')) response.writeHead(200).end('{"token":"t0ps3cret"}');
      else response.writeHead(401, { 'www-authenticate': challenge }).end('t0ps3cret');
    };
    const { code, stdout, stderr } = await resolve([`${web}:1.0`, `${web}@${madeUp('b')}`]);
    expect(code).toBe(1);
    expect(stderr).toContain('denied: ');
    expect(stdout + stderr).not.toContain('t0ps3cret');
  });

  test('cannot steer the terminal', async () => {
    await pushIndex(registry, 'shop/web', '1.0', [{ os: '\u001B[2Jlinux', architecture: 'amd64' }, ARM64]);
    const args = [`${web}:1.0`, '\u001B[2J\u009B2J\u202Enginx'];
    const table = await resolve(args);
    expect(table.stdout).toMatch(/ linux\/arm64\/v8$/m);
    expect(table.stderr).toContain('\\u{1b}[2J\\u{9b}2J\\u{202e}nginx');
    const json = await resolve(['-o', 'json', ...args]);
    for (const text of [table.stdout, table.stderr, json.stdout, json.stderr]) {
      for (const character of '\u001B\u009B\u202E') expect(text).not.toContain(character);
    }
    expect(imagesOf(json.stdout)[1]?.image).toBe(args[1]);
  });
});

test.each([
  ['an output that is unknown', ['-o', 'yaml', 'nginx'], 'Allowed choices are table, json'],
  ['a flag that is unknown', ['--colour', 'nginx'], "unknown option '--colour'"],
  ['a time that is none', ['--timeout', 'soon', 'nginx'], 'for example 500ms, 10s or 1m'],
  ['no time at all', ['--timeout', '0', 'nginx'], 'from 1ms to 10m'],
  ['too long a time', ['--timeout', '11m', 'nginx'], 'from 1ms to 10m'],
  [
    'settings that are not there',
    ['--config', '/nowhere.yaml', 'nginx'],
    'cannot read /nowhere.yaml (ENOENT)',
  ],
  ['a URL for an image', ['https://registry.example.com/web:1'], 'without https://'],
])('%s is refused with a message that helps, and status 1', async (_what, args, message) => {
  const { code, stdout, stderr } = await startPlain(args).exited;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/^\s+at /m);
});

test('settings with mistakes, and a CA file that is not there, are named', async () => {
  const mistaken = await settingsFile([{ host: 'https://registry.example.com' }]);
  expect(await startPlain(['--config', mistaken, 'nginx']).exited).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('registries[0].host'),
  });
  const without = await settingsFile([{ host: 'registry.example.com', caFile: '/nowhere.pem' }]);
  expect(await startPlain(['--config', without, 'nginx']).exited).toMatchObject({
    code: 1,
    stderr: 'samebytes: registries[0].caFile: cannot read /nowhere.pem (ENOENT)\n',
  });
});

test('a registry that is down is unreachable; its images share one explanation', async () => {
  await registry.stop();
  const { code, stderr } = await resolve([`${web}:1.0`, `${web}:2.0`]);
  expect(code).toBe(1);
  expect(stderr).toContain(`unreachable: the registry is unreachable\n  ${web}:1.0\n  ${web}:2.0\n  cause: `);
  expect(stderr.match(/connection refused \(ECONNREFUSED\)/g)).toHaveLength(1);
});
