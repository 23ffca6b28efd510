import { connect } from 'node:net';
import { afterAll, expect, test } from '@jest/globals';
import { createHealthApp } from '../../../src/server/health-app.ts';
import { Listener } from '../../../src/server/listener.ts';
import { until } from '../../support/until.ts';

let ready = true;
const metrics = {
  exposition: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'samebytes_x 1\n' }),
};
const listener = await Listener.open(createHealthApp({ metrics, isReady: () => ready }), {
  host: '127.0.0.1',
  port: 0,
});
afterAll(async () => listener.close(0));

async function get(path: string): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${listener.port}${path}`, {
    headers: { connection: 'close' },
  });
  return [response.status, await response.text()];
}

test('a process that stops is alive, but not ready', async () => {
  expect([await get('/healthz'), await get('/readyz')]).toEqual([
    [200, 'ok\n'],
    [200, 'ok\n'],
  ]);
  ready = false;
  expect([await get('/healthz'), await get('/readyz')]).toEqual([
    [200, 'ok\n'],
    [503, 'stopping\n'],
  ]);
});

test('metrics are given in the format that they name', async () => {
  expect(await get('/metrics')).toEqual([200, 'samebytes_x 1\n']);
});

test('nothing else is there', async () => {
  expect((await get('/mutate'))[0]).toBe(404);
});

test('clients that ask for metrics over and over and never read are cut off, and hold few of them meanwhile', async () => {
  let given = 0;
  const large = {
    exposition: async () => {
      given += 1;
      // The deaf ones get more than the sockets of both sides take.
      return { contentType: 'text/plain', text: 'x'.repeat(given > 10 ? 1 : 12_000_000) };
    },
  };
  const app = createHealthApp({ metrics: large, isReady: () => true, readMs: 2_000 });
  const busy = await Listener.open(app, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${busy.port}/metrics`;
  const statusOf = async (path: string): Promise<number> => {
    const response = await fetch(new URL(path, url), { headers: { connection: 'close' } });
    await response.arrayBuffer();
    return response.status;
  };
  const deaf = Array.from({ length: 20 }, () => connect({ host: '127.0.0.1', port: busy.port }));
  try {
    for (const socket of deaf) {
      socket.on('error', () => {});
      socket.pause();
      socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(3));
    }
    await until('the first answers', () => given === 10);
    expect([await statusOf('/metrics'), await statusOf('/healthz')]).toEqual([503, 200]);
    await until('a turn', async () => (await statusOf('/metrics')) === 200);
    expect(given).toBeLessThan(60);
    for (const socket of deaf) socket.destroy();
    await until('everybody to be forgotten', async () => {
      const statuses = await Promise.all(Array.from({ length: 10 }, () => statusOf('/metrics')));
      return statuses.every((status) => status === 200);
    });
  } finally {
    for (const socket of deaf) socket.destroy();
    await busy.close(0);
  }
}, 30_000);
