import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { request } from 'undici';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { ChildProcess } from '../support/child-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
/** Only root on Linux may prepare a root directory and become somebody else. */
const testAsRoot = process.platform === 'linux' && process.getuid?.() === 0 ? test : test.skip;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'samebytes-image-'));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

test('the Dockerfile copies files that exist, and the image starts what is put together for it', async () => {
  const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' '),
  );
  expect(copied.length).toBeGreaterThan(3);
  for (const source of copied)
    await expect(
      cp(join(ROOT, source), join(directory, 'copy', source), { recursive: true }),
    ).resolves.toBeUndefined();
  expect(dockerfile).toContain('ENTRYPOINT ["/usr/bin/node", "/app/samebytes.mjs"]');
  expect(dockerfile).toContain('USER 65532:65532');
});

testAsRoot(
  'the bundle serves as uid 65532 in a read-only root that holds only Node.js and itself',
  async () => {
    const root = join(directory, 'root');
    const bundle = join(directory, 'samebytes.mjs');
    await run(process.execPath, [join(ROOT, 'tools/bundle.ts'), bundle]);
    await run('sh', [join(ROOT, 'tools/image-root.sh'), process.execPath, bundle, root]);
    await writeSettings(join(root, 'etc/samebytes'));
    const script = [
      'mount --bind "$1" "$1"',
      'mount -o remount,bind,ro "$1"',
      // Nothing of this machine is left: no /proc, no /dev, no shell.
      'exec chroot --userspec=65532:65532 "$1" /usr/bin/node /app/samebytes.mjs serve --config /etc/samebytes/settings.yaml',
    ].join(' && ');
    const serving = new ChildProcess({
      command: 'unshare',
      args: ['--mount', 'sh', '-c', script, 'sh', root],
      env: { NODE_OPTIONS: '--max-old-space-size=192 --max-semi-space-size=8', NODE_EXTRA_CA_CERTS: '' },
    });
    const [, line = ''] = await serving.printed(/^(.*"msg":"ready".*)$/m);
    const { healthPort, dashboardPort } = JSON.parse(line) as { healthPort: number; dashboardPort: number };
    const status = await readFile(`/proc/${serving.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s+65532\s+65532/m);
    const { statusCode, body } = await request(`http://127.0.0.1:${healthPort}/readyz`, { reset: true });
    expect({ statusCode, text: await body.text() }).toEqual({ statusCode: 200, text: 'ok\n' });
    const page = await request(`http://127.0.0.1:${dashboardPort}/page.js`, { reset: true });
    expect(page.statusCode).toBe(200);
    expect(await page.body.text()).toContain('uPlot');
    serving.signal('SIGTERM');
    expect(await serving.exited).toMatchObject({ code: 0, stderr: '' });
  },
  60_000,
);

async function writeSettings(etc: string): Promise<void> {
  await mkdir(etc, { recursive: true });
  const { serving } = await issueCertificates({
    names: ['localhost'],
    notBefore: new Date(),
    validDays: 1,
  });
  const settings = {
    webhook: {
      host: '127.0.0.1',
      port: 0,
      certFile: '/etc/samebytes/tls.crt',
      keyFile: '/etc/samebytes/tls.key',
    },
    health: { host: '127.0.0.1', port: 0 },
    dashboard: { port: 0 },
    shutdown: { drainMs: 0 },
    pins: { store: 'memory' },
  };
  await writeFile(join(etc, 'settings.yaml'), JSON.stringify(settings));
  await writeFile(join(etc, 'tls.crt'), serving.cert);
  await writeFile(join(etc, 'tls.key'), serving.key);
}
