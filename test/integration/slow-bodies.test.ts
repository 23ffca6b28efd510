import { once } from 'node:events';
import { connect as tcpConnect } from 'node:net';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { issueCertificates } from '../../src/certificates/authority.ts';
import { Listener } from '../../src/server/listener.ts';
import { createWebhookApp, type BadRequestEvent } from '../../src/server/webhook-app.ts';
import { admissionReview, barePod } from '../support/pods.ts';
import { until } from '../support/until.ts';

// The webhook's application behind its TLS listener, which is impatient here: what is cut off is the same.

const IMPATIENT = {
  handshakeTimeout: 200,
  headersTimeout: 200,
  requestTimeout: 200,
  connectionsCheckingInterval: 20,
};

let listener: Listener;
let ca: string;
let decided: number;
let refused: BadRequestEvent[];

beforeEach(async () => {
  const certificates = await issueCertificates({ names: ['localhost'], notBefore: new Date(), validDays: 1 });
  ca = certificates.ca.cert;
  decided = 0;
  refused = [];
  const app = createWebhookApp({
    decider: {
      known: () => undefined,
      decide: async () => {
        decided += 1;
        return { outcome: 'ignored', patch: [], warnings: [], images: [], optOutsRefused: 0 };
      },
    },
    maxDecisionMs: 3_000,
    maxConcurrentDecisions: 10,
    onAdmission: () => {},
    onBadRequest: (event) => void refused.push(event),
    now: () => performance.now(),
  });
  listener = await Listener.open(
    app,
    { host: '127.0.0.1', port: 0, readTimeouts: IMPATIENT },
    certificates.serving,
  );
});

afterEach(async () => {
  await listener.close(0);
});

async function open(): Promise<TLSSocket> {
  const socket = tlsConnect({ host: '127.0.0.1', port: listener.port, ca, servername: 'localhost' });
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything that comes until the server closes the connection. */
async function answer(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(socket, 'close');
  return text;
}

const body = JSON.stringify(admissionReview(barePod({ name: 'web', image: 'nginx:1' })));
const head = `POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`;

test('a body that comes to a halt is answered with 408, and nothing was decided', async () => {
  const socket = await open();
  socket.write(`${head}\r\n${body.slice(0, -1)}`);
  expect(await answer(socket)).toMatch(/^HTTP\/1\.1 408 /);
  expect(decided).toBe(0);
  expect(refused).toEqual([
    expect.objectContaining({ status: 400, message: 'the body did not arrive whole' }),
  ]);
});

test('a body that never comes to a halt, a byte at a time, is cut off all the same', async () => {
  const socket = await open();
  const answered = answer(socket);
  socket.write(`${head}\r\n`);
  const drip = setInterval(() => socket.write(' '), 10);
  socket.on('error', () => {});
  expect(await answered).toMatch(/^HTTP\/1\.1 408 /);
  clearInterval(drip);
  expect(decided).toBe(0);
});

test('a connection on which no TLS is spoken is closed, and no longer counted', async () => {
  const socket = tcpConnect({ host: '127.0.0.1', port: listener.port });
  await once(socket.resume(), 'close');
  await until('it to be counted no more', () => listener.connections.used === 0);
});

test('headers that come to a halt are answered with 408', async () => {
  const socket = await open();
  socket.write(head);
  expect(await answer(socket)).toMatch(/^HTTP\/1\.1 408 /);
  expect(refused).toEqual([]);
});

test('a body that is longer than it said is answered with 400', async () => {
  const socket = await open();
  socket.write(`${head}connection: close\r\n\r\n${body}{"kind":"AdmissionReview"}`);
  expect(await answer(socket)).toMatch(/^HTTP\/1\.1 400 /);
});

test('a body in chunks is read, too; one with both lengths is refused as smuggling', async () => {
  const chunked = await open();
  const start = head.replace(/content-length: \d+/, 'transfer-encoding: chunked');
  chunked.write(`${start}connection: close\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
  expect(await answer(chunked)).toMatch(/^HTTP\/1\.1 200 /);
  const both = await open();
  both.write(`${head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`);
  expect(await answer(both)).toMatch(/^HTTP\/1\.1 400 /);
  expect(decided).toBe(1);
});
