import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { OciRegistry } from '../../src/demo/oci-registry.ts';
import { admissionReview, pod } from '../support/pods.ts';
import { SamebytesProcess } from '../support/processes.ts';

// `samebytes serve` as a process: how it starts, how it refuses to, and how it stops.

let directory: string;
let agent: Agent;
let processes: SamebytesProcess[];
const registry = new OciRegistry();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'samebytes-serve-'));
  const { ca, serving } = await issueCertificates({
    names: ['localhost'],
    notBefore: new Date(),
    validDays: 1,
  });
  await writeFile(join(directory, 'tls.crt'), serving.cert);
  await writeFile(join(directory, 'tls.key'), serving.key);
  agent = new Agent({ connect: { ca: ca.cert }, keepAliveTimeout: 1_000 });
  processes = [];
  await registry.start();
});

afterEach(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  await agent.close();
  await registry.stop();
  registry.intercept = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function settingsFile(text: string): Promise<string> {
  const file = join(directory, 'settings.yaml');
  await writeFile(file, text);
  return file;
}

async function goodSettings(): Promise<string> {
  return settingsFile(`
webhook: { host: 127.0.0.1, port: 0, certFile: ${directory}/tls.crt, keyFile: ${directory}/tls.key }
health: { host: 127.0.0.1, port: 0 }
dashboard: { port: 0 }
shutdown: { drainMs: 0, graceMs: 4000 }
pins: { store: memory }
registries:
  - { host: "${registry.host}", insecure: true, allowLoopback: true }
`);
}

function start(args: string[], env?: Record<string, string>): SamebytesProcess {
  const started = new SamebytesProcess(args, env);
  processes.push(started);
  return started;
}

interface Ports {
  readonly webhookPort: number;
  readonly healthPort: number;
  readonly dashboardPort?: number;
}

async function ready(process: SamebytesProcess): Promise<Ports> {
  const [line] = await process.printed(/^\{.*"msg":"ready".*\}$/m);
  return JSON.parse(line) as Ports;
}

async function health(port: number, path: string): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await request(`http://127.0.0.1:${port}${path}`, { dispatcher: agent });
  return { status: statusCode, text: await body.text() };
}

test('serve pins, reports health and metrics, and says that memory pins do not last', async () => {
  const digest = await registry.push('shop/web', '1.0', 'first');
  const serving = start(['serve', '--config', await goodSettings()]);
  const { webhookPort, healthPort } = await ready(serving);
  await serving.printed(/pins are kept in memory/);
  expect(await health(healthPort, '/healthz')).toEqual({ status: 200, text: 'ok\n' });
  expect(await health(healthPort, '/readyz')).toEqual({ status: 200, text: 'ok\n' });

  const created = pod({ spec: { containers: [{ name: 'web', image: `${registry.host}/shop/web:1.0` }] } });
  const answer = await request(`https://localhost:${webhookPort}/mutate?timeout=5s`, {
    dispatcher: agent,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(admissionReview(created)),
  });
  const { response } = (await answer.body.json()) as { response: { patch: string } };
  expect(Buffer.from(response.patch, 'base64').toString()).toContain(`shop/web@${digest}`);
  const metrics = (await health(healthPort, '/metrics')).text;
  expect(metrics).toContain('samebytes_admissions_total{outcome="pinned"} 1');
  expect(metrics).toContain('process_resident_memory_bytes');
});

test('the dashboard listens on 127.0.0.1 alone', async () => {
  const settings = await goodSettings();
  const { dashboardPort } = await ready(start(['serve', '--config', settings]));
  expect((await health(dashboardPort ?? 0, '/state')).status).toBe(200);
  const elsewhere = connect({ host: '127.0.0.2', port: dashboardPort ?? 0 });
  await expect(once(elsewhere, 'connect')).rejects.toThrow('ECONNREFUSED');
});

test('a dashboard that is turned off listens nowhere', async () => {
  const text = (await goodSettingsText()).replace('dashboard: { port: 0 }', 'dashboard: { enabled: false }');
  expect(await ready(start(['serve', '--config', await settingsFile(text)]))).not.toHaveProperty(
    'dashboardPort',
  );
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s it stops being ready, finishes the request under way, and exits with 0',
  async (signal) => {
    const digest = await registry.push('shop/web', '1.0', 'first');
    const held = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    registry.intercept = async () => {
      arrived.resolve();
      await held.promise;
    };
    const serving = start(['serve', '--config', await goodSettings()]);
    const { webhookPort, healthPort } = await ready(serving);
    const created = pod({ spec: { containers: [{ name: 'web', image: `${registry.host}/shop/web:1.0` }] } });
    const answering = request(`https://localhost:${webhookPort}/mutate?timeout=5s`, {
      dispatcher: agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(admissionReview(created)),
    });
    await arrived.promise;
    serving.signal(signal);
    await serving.printed(/"msg":"stopping/);
    expect(await health(healthPort, '/readyz')).toEqual({ status: 503, text: 'stopping\n' });
    held.resolve();
    const answer = await answering;
    expect(answer.headers['connection']).toBe('close');
    const { response } = (await answer.body.json()) as { response: { patch: string } };
    expect(Buffer.from(response.patch, 'base64').toString()).toContain(digest);
    expect(await serving.exited).toMatchObject({ code: 0, stderr: '' });
  },
);

test('a second SIGTERM ends it at once', async () => {
  const settings = await settingsFile((await goodSettingsText()).replace('drainMs: 0', 'drainMs: 60000'));
  const serving = start(['serve', '--config', settings]);
  await ready(serving);
  serving.signal('SIGTERM');
  await serving.printed(/"msg":"stopping/);
  serving.signal('SIGTERM');
  expect(await serving.exited).toMatchObject({ signal: 'SIGTERM' });
});

async function goodSettingsText(): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(await goodSettings(), 'utf8');
}

test('settings with several mistakes are refused with all of them at once, each with its path', async () => {
  const file = await settingsFile(`
webhook: { port: 70000 }
policies: { default: sometimes, rules: [{ image: nginx }] }
registries: [{ host: https://registry.example.com }]
unknown: 1
`);
  const { code, stdout, stderr } = await start(['serve', '--config', file]).exited;
  expect(code).toBe(1);
  expect(stdout).toBe('');
  for (const path of [
    'webhook.port',
    'policies.default',
    'policies.rules[0]',
    'registries[0].host',
    'unknown',
  ]) {
    expect(stderr).toContain(path);
  }
  expect(stderr).not.toMatch(/^\s+at /m);
});

test.each([
  [
    'a settings file that is not there',
    ['serve', '--config', '/nowhere/settings.yaml'],
    '/nowhere/settings.yaml',
  ],
  ['a certificate that is not there', ['serve', '--cert-file', '/nowhere/tls.crt'], '/nowhere/tls.crt'],
  ['a kubeconfig that is not there', ['serve', '--kubeconfig', '/nowhere/config'], '/nowhere/config'],
  ['a port that is no number', ['serve', '--webhook-port', 'https'], 'webhook.port'],
  ['an unknown flag', ['serve', '--colour'], '--colour'],
  ['an unknown command', ['server'], 'serve'],
])('%s is refused with a message that names it, and status 1', async (_what, args, named) => {
  const { code, stderr } = await start(args, { SAMEBYTES_HEALTH_PORT: '0' }).exited;
  expect(code).toBe(1);
  expect(stderr).toContain(named);
  expect(stderr).not.toMatch(/^\s+at /m);
});

test('a port that is taken is refused with a message that names it', async () => {
  const settings = await goodSettings();
  const port = registry.host.split(':')[1] ?? '';
  const { code, stderr } = await start(['serve', '--config', settings, '--webhook-port', port]).exited;
  expect(code).toBe(1);
  expect(stderr).toContain(port);
  expect(stderr).toContain('EADDRINUSE');
});
