import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { OciRegistry } from '../../src/demo/oci-registry.ts';
import { ChildProcess } from '../support/child-process.ts';
import { freePorts } from '../support/free-ports.ts';
import { hasJq, ranAt } from '../support/log-query.ts';
import { admissionReview, ownedBy, pod } from '../support/pods.ts';
import { SamebytesProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';

// What `samebytes serve` writes, as whoever collects it sees it.

// Processes start slowly on a machine that is busy.
jest.setTimeout(60_000);

const testWithJq = hasJq ? test : test.skip;
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
let directory: string;
let agent: Agent;
let registry: OciRegistry;
let processes: ChildProcess[];
let requests: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'samebytes-log-'));
  const { ca, serving } = await issueCertificates({
    names: ['localhost'],
    notBefore: new Date(),
    validDays: 1,
  });
  await writeFile(join(directory, 'tls.crt'), serving.cert);
  await writeFile(join(directory, 'tls.key'), serving.key);
  agent = new Agent({ connect: { ca: ca.cert }, keepAliveTimeout: 1_000 });
  registry = new OciRegistry();
  await registry.start();
  processes = [];
  requests = 0;
});

afterEach(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  await agent.close();
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});

const settingsFile = (): string => join(directory, 'settings.yaml');

/** Writes settings that work, with these beside them. */
async function writeSettings(
  more = '',
  ports: { webhook: number; health: number } = { webhook: 0, health: 0 },
): Promise<void> {
  await writeFile(
    settingsFile(),
    `
webhook: { host: 127.0.0.1, port: ${ports.webhook}, certFile: ${directory}/tls.crt, keyFile: ${directory}/tls.key }
health: { host: 127.0.0.1, port: ${ports.health} }
dashboard: { port: 0 }
shutdown: { drainMs: 0, graceMs: 4000 }
pins: { store: memory }
registries:
  - { host: "${registry.host}", insecure: true, allowLoopback: true }
${more}`,
  );
}

function watched<T extends ChildProcess>(process: T): T {
  processes.push(process);
  return process;
}

function serve(...args: string[]): SamebytesProcess {
  return watched(new SamebytesProcess(['serve', '--config', settingsFile(), ...args]));
}

async function portOf(process: SamebytesProcess): Promise<number> {
  const [line] = await process.printed(/^\{.*"msg":"ready".*\}$/m);
  return (JSON.parse(line) as { webhookPort: number }).webhookPort;
}

interface Answer {
  readonly uid: string;
  readonly allowed: boolean;
}

/** Sends a review of this Pod, and returns the response, whose uid is a new one each time. */
async function review(port: number, object: object, fields: object = {}): Promise<Answer> {
  requests += 1;
  const { body } = await request(`https://localhost:${port}/mutate?timeout=5s`, {
    dispatcher: agent,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(admissionReview(object, { uid: `request-${requests}`, ...fields })),
  });
  return ((await body.json()) as { response: Answer }).response;
}

const web = (tag = '1.0', owner = 'web-5d8f'): object =>
  pod({
    metadata: {
      labels: { 'pod-template-hash': '5d8f' },
      ownerReferences: [ownedBy('ReplicaSet', owner, 'apps/v1', owner)],
    },
    spec: { containers: [{ name: 'web', image: `${registry.host}/shop/web:${tag}` }] },
  });

function linesOf(process: ChildProcess, message?: string): Record<string, unknown>[] {
  return process.stdout
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => message === undefined || msg === message);
}

test('each request has exactly one line, whatever it came to, and every line of the log is JSON', async () => {
  const digest = await registry.push('shop/web', '1.0', 'first');
  await writeSettings();
  const process = serve();
  const port = await portOf(process);
  const answers = [
    await review(port, web()),
    await review(port, web()),
    await review(port, web('missing', 'other-5d8f')),
    await review(port, web(), { dryRun: true }),
    await review(port, {}),
    await review(port, web(), { operation: 'DELETE', object: null }),
  ];
  process.signal('SIGTERM');
  const { stdout, code } = await process.exited;
  expect(code).toBe(0);
  for (const line of stdout.trimEnd().split('\n')) {
    expect(JSON.parse(line)).toMatchObject({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: expect.any(String),
      msg: expect.any(String),
    });
  }
  const decisions = linesOf(process, 'admission');
  expect(decisions.map(({ uid }) => uid)).toEqual(answers.map(({ uid }) => uid));
  expect(decisions.map(({ outcome }) => outcome)).toEqual([
    ...['pinned', 'pinned', 'refused', 'pinned', 'invalid_pod', 'ignored'],
  ]);
  const shared = { namespace: 'shop', owner: 'ReplicaSet/web-5d8f', revision: 'ReplicaSet/web-5d8f' };
  expect(decisions.slice(0, 2)).toMatchObject([
    {
      ...shared,
      durationMs: expect.any(Number),
      images: [{ digest, source: 'registry', tookMs: expect.any(Number) }],
    },
    { ...shared, durationMs: expect.any(Number), images: [{ digest, source: 'pin' }] },
  ]);
  expect(decisions[2]).toMatchObject({
    level: 'warn',
    images: [{ code: 'not_found', error: { name: 'RegistryError', status: 404 } }],
  });
  expect(decisions[3]).toMatchObject({ dryRun: true });
  expect(stdout.trimEnd().split('\n').at(-1)).toContain('"msg":"stopped"');
});

testWithJq(
  'what ran at an instant can be read from a process’s lines, by the query of docs/logs.md',
  async () => {
    const digest = await registry.push('shop/web', '1.0', 'first');
    await writeSettings();
    const process = serve();
    const port = await portOf(process);
    await review(port, web());
    await process.printed(/"msg":"admission"/);
    const [born, admitted] = [linesOf(process, 'pin created')[0], linesOf(process, 'admission')[0]];
    const before = new Date(Date.parse(String(born?.['time'])) - 1).toISOString();
    expect(await ranAt(process.stdout, before)).toBe('');
    const image = `${registry.host}/shop/web:1.0`;
    const row = ['shop', 'Deployment/web', 'ReplicaSet/web-5d8f', image, digest, admitted?.['time']];
    expect(await ranAt(process.stdout, String(admitted?.['time']))).toBe(`${row.join('\t')}\n`);
  },
);

test('a registry’s failure is in the log with its cause, and not in the answer', async () => {
  await writeSettings();
  const process = serve();
  const port = await portOf(process);
  await registry.stop();
  expect(JSON.stringify(await review(port, web()))).not.toMatch(/ECONNREFUSED|127\.0\.0\.1:\d+ /);
  await process.printed(/"msg":"admission"/);
  const [line] = linesOf(process, 'admission');
  expect(line).toMatchObject({ level: 'warn', outcome: 'refused', images: [{ code: 'unreachable' }] });
  expect(JSON.stringify(line?.['images'])).toContain('ECONNREFUSED');
});

describe('the level', () => {
  test('follows the settings file, without a restart', async () => {
    await registry.push('shop/web', '1.0', 'first');
    await writeSettings('log: { level: info, reloadMs: 100 }');
    const process = serve();
    const port = await portOf(process);
    const shown = await review(port, web());
    await writeSettings('log: { level: warn, reloadMs: 100 }');
    await process.printed(/"to":"warn","msg":"log level changed"/);
    const hidden = await review(port, web());
    const failed = await review(port, web('missing'));
    await writeSettings('log: { level: debug, reloadMs: 100 }');
    await process.printed(/"from":"warn","to":"debug","msg":"log level changed"/);
    expect(linesOf(process, 'admission').map(({ uid }) => uid)).toEqual([shown.uid, failed.uid]);
    expect(hidden.allowed).toBe(true);
  });

  test('stays as it was where the changed file is wrong, and what else was changed waits for the next start', async () => {
    await writeSettings('log: { level: info, reloadMs: 100 }');
    const process = serve();
    await portOf(process);
    await writeSettings('log: { level: loud, reloadMs: 100 }');
    await process.printed(/"problem":".*log\.level.*cannot be used/);
    await writeSettings('log: { level: info, reloadMs: 100 }\nresolver: { maxTags: 7 }');
    await process.printed(/all but log\.level is taken at the next start/);
    await writeSettings('log: { level: warn, reloadMs: 100 }\nresolver: { maxTags: 7 }');
    await process.printed(/"to":"warn","msg":"log level changed"/);
    expect(linesOf(process).filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('of a flag wins over the file', async () => {
    await writeSettings('log: { level: info, reloadMs: 100 }');
    const process = serve('--log-level', 'info');
    await portOf(process);
    await writeSettings('log: { level: silent, reloadMs: 100 }\nresolver: { maxTags: 7 }');
    await process.printed(/all but log\.level is taken at the next start/);
    expect(linesOf(process, 'log level changed')).toEqual([]);
  });
});

test('at a terminal lines are for people', async () => {
  await writeSettings();
  const command = `exec ${process.execPath} ${MAIN} serve --config ${settingsFile()}`;
  const terminal = watched(
    new ChildProcess({ command: 'script', args: ['-qfec', command, '/dev/null'], input: '' }),
  );
  await terminal.printed(/ready/);
  expect(terminal.stdout).toMatch(/INFO/);
  expect(terminal.stdout).toMatch(/webhookPort.*: .*\d+/);
  expect(terminal.stdout).not.toContain('{"level"');
});

describe('output that nobody takes', () => {
  /** A Pod whose line in the log is long, and which needs no registry. */
  const large = pod({
    spec: {
      containers: Array.from({ length: 100 }, (_, index) => ({
        name: `container-${index}`,
        image: `registry.test/${'long-name/'.repeat(10)}app:${index}`,
        imagePullPolicy: 'Never',
      })),
    },
  });

  test('holds up no admission; lines are dropped past a bound, and counted once somebody reads again', async () => {
    await writeSettings();
    const process = serve();
    const port = await portOf(process);
    process.pauseStdout();
    // About 18 kB each: more than three times what may wait.
    for (let index = 0; index < 800; index += 1) expect((await review(port, large)).allowed).toBe(true);
    process.resumeStdout();
    const [, dropped] = await process.printed(/"dropped":(\d+),"msg":"log lines were dropped/);
    const last = await review(port, large);
    await process.printed(new RegExp(`"uid":"${last.uid}".*"msg":"admission"`));
    const written = linesOf(process, 'admission').length;
    expect(written + Number(dropped)).toBe(801);
    expect(written).toBeGreaterThan(100);
    expect(Number(dropped)).toBeGreaterThan(100);
  });

  test('does not keep a process that is asked to stop', async () => {
    await writeSettings();
    const process = serve();
    const port = await portOf(process);
    process.pauseStdout();
    for (let index = 0; index < 100; index += 1) await review(port, large);
    process.signal('SIGTERM');
    await until('the process to end', () => !process.running);
    process.resumeStdout();
    expect((await process.exited).code).toBe(0);
  });

  test('as on a full disk ends nothing', async () => {
    const [webhook = 0, health = 0] = await freePorts(2);
    await writeSettings('', { webhook, health });
    const command = `exec ${process.execPath} ${MAIN} serve --config ${settingsFile()} > /dev/full`;
    const full = watched(new ChildProcess({ command: 'sh', args: ['-c', command] }));
    await until('the process to be ready', async () => {
      const { statusCode, body } = await request(`http://127.0.0.1:${health}/readyz`, { dispatcher: agent });
      await body.dump();
      return statusCode === 200;
    });
    for (let index = 0; index < 50; index += 1) expect((await review(webhook, large)).allowed).toBe(true);
    expect(full.running).toBe(true);
    full.signal('SIGTERM');
    const { code, stderr } = await full.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('since its reader is gone ends nothing', async () => {
    await writeSettings();
    const process = serve();
    const port = await portOf(process);
    process.closeStdout();
    for (let index = 0; index < 50; index += 1) expect((await review(port, large)).allowed).toBe(true);
    expect(process.running).toBe(true);
    process.signal('SIGTERM');
    expect((await process.exited).code).toBe(0);
  });
});
