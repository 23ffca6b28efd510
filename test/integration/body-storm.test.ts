import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { OciRegistry } from '../../src/demo/oci-registry.ts';
import { admissionReview, barePod } from '../support/pods.ts';
import { SamebytesProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';

// The real process, with the heap that the manifests give it, under bodies that would fill that heap many times over. Nobody
// measures its memory: a process that keeps what it read, or reads too much at once, is dead at the end.

jest.setTimeout(120_000);

const MIB = 1024 * 1024;
const registry = new OciRegistry();
let directory: string;
let agent: Agent;
let ca: string;
let serving: SamebytesProcess;
let ports: { webhookPort: number; healthPort: number };

beforeAll(async () => {
  await registry.start();
  await registry.push('shop/web', '1.0', 'first');
  directory = await mkdtemp(join(tmpdir(), 'samebytes-storm-'));
  const certificates = await issueCertificates({ names: ['localhost'], notBefore: new Date(), validDays: 1 });
  ca = certificates.ca.cert;
  agent = new Agent({ connect: { ca }, keepAliveTimeout: 1_000, connections: 64 });
  await writeFile(join(directory, 'tls.crt'), certificates.serving.cert);
  await writeFile(join(directory, 'tls.key'), certificates.serving.key);
  const file = join(directory, 'settings.json');
  const host = '127.0.0.1';
  const settings = {
    webhook: { host, port: 0, certFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') },
    health: { host, port: 0 },
    dashboard: { port: 0 },
    shutdown: { drainMs: 0, graceMs: 4_000 },
    pins: { store: 'memory' },
    registries: [{ host: registry.host, insecure: true, allowLoopback: true }],
  };
  await writeFile(file, JSON.stringify(settings));
  // As in manifests/base/43-deployment.yaml.
  serving = new SamebytesProcess(['serve', '--config', file], {
    NODE_OPTIONS: '--max-old-space-size=192 --max-semi-space-size=8',
  });
  const [line] = await serving.printed(/^\{.*"msg":"ready".*\}$/m);
  ports = JSON.parse(line) as typeof ports;
});

afterAll(async () => {
  await serving.kill();
  await agent.close();
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});

const image = (): string => `${registry.host}/shop/web:1.0`;
const review = (object: object): string => JSON.stringify(admissionReview(object));

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post(body: string | Buffer, dispatcher = agent): Promise<Answer> {
  try {
    const answer = await request(`https://localhost:${ports.webhookPort}/mutate?timeout=5s`, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  } catch (error) {
    if (serving.running) throw error;
    throw new Error(`the process ended: ${JSON.stringify(await serving.exited)}`, { cause: error });
  }
}

async function resources(type: string): Promise<number> {
  const { body } = await request(`http://127.0.0.1:${ports.healthPort}/metrics`, { reset: true });
  const line = (await body.text())
    .split('\n')
    .find((text) => text.startsWith(`nodejs_active_resources{type="${type}"}`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

async function expectToWork(): Promise<void> {
  const { status, text } = await post(review(barePod({ name: 'web', image: image() })));
  expect(status).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ response: { allowed: true, patchType: 'JSONPatch' } });
}

/** A review of about `bytes` whose containers are this JSON, again and again. */
function dense(part: string, bytes: number): Buffer {
  const list = Array.from({ length: Math.floor(bytes / (part.length + 1)) }, () => part).join(',');
  return Buffer.from(review({ spec: { containers: 0 } }).replace('"containers":0', `"containers":[${list}]`));
}

const FULL = 8 * MIB - 2_000;
const HOSTILE: readonly [string, () => Buffer][] = [
  ['empty containers', () => dense('{}', FULL)],
  ['empty lists', () => dense('[]', FULL)],
  ['numbers', () => dense('0', FULL)],
  ['objects in objects', () => dense('{"a":{"b":{}}}', FULL)],
  ['containers with an image each', () => dense('{"name":"a","image":"a:1"}', FULL)],
  ['a megabyte of empty containers', () => dense('{}', MIB)],
  ['as many empty containers as are read', () => dense('{}', (3 * 495_000) / 2)],
  ['little empty containers, below what is limited', () => dense('{}', 100 * 1024)],
  ['one long image', () => Buffer.from(review(barePod({ name: 'web', image: 'a'.repeat(FULL) })))],
  ['one long name', () => Buffer.from(review(barePod({ name: 'n'.repeat(FULL), image: image() })))],
];

test.each(HOSTILE)(
  '16 bodies of %s, 8 at once, are refused or answered, and the process goes on',
  async (_what, make) => {
    const body = make();
    const answers: Answer[] = [];
    const send = async (): Promise<void> => {
      for (let sent = 0; sent < 2; sent += 1) answers.push(await post(body));
    };
    await Promise.all(Array.from({ length: 8 }, send));
    expect(answers).toHaveLength(16);
    expect(answers.map(({ status }) => status).filter((status) => ![200, 413, 429].includes(status))).toEqual(
      [],
    );
    const refusals = answers.filter(({ status }) => status !== 200).map(({ text }) => text);
    for (const text of refusals) expect(text).toMatch(/^\{"error":".{10,80}"\}$/);
    await expectToWork();
  },
);

async function openBody(length: number, start: string): Promise<TLSSocket> {
  const socket = tlsConnect({ host: '127.0.0.1', port: ports.webhookPort, ca, servername: 'localhost' });
  await once(socket, 'secureConnect');
  socket.write(
    `POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nexpect: 100-continue\r\n\r\n`,
  );
  // The server tells that it has begun to read.
  await once(socket, 'data');
  socket.write(start);
  return socket;
}

test('bodies that are broken off leave no socket, no timer and no share of the budget behind', async () => {
  const before = await resources('TCPSocketWrap');
  for (let round = 0; round < 5; round += 1) {
    // Together they announce more than is taken at once, so that a share that is kept would show in the next round.
    const sockets = await Promise.all(Array.from({ length: 8 }, () => openBody(8 * MIB, '{"kind":"Adm')));
    for (const socket of sockets) socket.destroy();
    await until('the sockets to be closed', async () => (await resources('TCPSocketWrap')) <= before);
  }
  await expectToWork();
});

test('large bodies that come slowly make large ones wait for another time, but never an ordinary Pod', async () => {
  const sockets = await Promise.all(Array.from({ length: 8 }, () => openBody(8 * MIB, '{')));
  expect(await post(dense('{}', MIB))).toMatchObject({ status: 429 });
  await expectToWork();
  for (const socket of sockets) socket.destroy();
});

test('a body that comes a byte at a time is read or refused, however long it is, and the process goes on', async () => {
  const socket = tlsConnect({ host: '127.0.0.1', port: ports.webhookPort, ca, servername: 'localhost' });
  const closed = once(socket, 'close');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.write(
    'POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n',
  );
  // Kept as a list, these two million pieces would take more than the whole heap.
  for (let sent = 0; sent < 200 && !socket.closed; sent += 1) {
    if (!socket.write('1\r\n \r\n'.repeat(10_000))) await Promise.race([once(socket, 'drain'), closed]);
  }
  socket.write('0\r\n\r\n');
  await closed;
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*"the body is not a JSON object"/s);
  await expectToWork();
});

test('many bodies of ordinary length that come to a halt share a limit, and give it back', async () => {
  const length = 128 * 1024;
  const answers: string[] = [];
  // 50 MB in all.
  const sockets = await Promise.all(
    Array.from({ length: 400 }, async () => {
      const socket = await openBody(length, ' '.repeat(length - 1));
      socket.setEncoding('utf8').on('data', (text: string) => answers.push(text));
      return socket;
    }),
  );
  await until('some of them to be refused', () => answers.some((text) => text.startsWith('HTTP/1.1 429 ')));
  for (const text of answers) expect(text).toMatch(/^HTTP\/1\.1 429 /);
  for (const socket of sockets) socket.destroy();
  await until(
    'room for a Pod',
    async () => (await post(review(barePod({ name: 'web', image: image() })))).status === 200,
  );
  await expectToWork();
});

test('Pods of thousands of images whose registry never answers are refused, and the process goes on', async () => {
  registry.intercept = () => new Promise(() => {});
  const podOf = (images: number, pod: number): object => ({
    metadata: { name: 'web' },
    spec: {
      containers: Array.from({ length: images }, (_, index) => ({
        name: `c${index}`,
        image: `${registry.host}/shop/web:${pod}-${index}`,
      })),
    },
  });
  const pods = [podOf(19_000, 0), ...Array.from({ length: 40 }, (_, index) => podOf(1_000, index + 1))];
  const answers = await Promise.all(pods.map(async (object) => post(review(object))));
  registry.intercept = undefined;
  for (const { status, text } of answers) {
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ response: { allowed: false } });
  }
  await until('the registry to be asked again', async () => {
    await expectToWork();
    return true;
  });
});

test('a Pod whose registry never answers leaves no request, no timer and no socket behind', async () => {
  const before = { sockets: await resources('TCPSocketWrap'), timers: await resources('Timeout') };
  registry.intercept = () => new Promise(() => {});
  const bodies = Array.from({ length: 20 }, (_, index) =>
    review(barePod({ name: 'web', image: `${registry.host}/shop/web:hangs-${index}` })),
  );
  const caller = new Agent({ connect: { ca } });
  const answers = await Promise.all(bodies.map(async (body) => post(body, caller)));
  await caller.close();
  registry.intercept = undefined;
  for (const { status, text } of answers) {
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ response: { allowed: false, status: { code: 503 } } });
  }
  await until('what they waited with to be gone', async () => {
    const timers = await resources('Timeout');
    return (await resources('TCPSocketWrap')) <= before.sockets && timers <= before.timers;
  });
  // A registry that never answered is left alone for a while first.
  await until('the registry to be asked again', async () => {
    await expectToWork();
    return true;
  });
});
