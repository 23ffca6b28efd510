import { afterAll, expect, test } from '@jest/globals';
import { createHealthApp } from '../../../src/server/health-app.ts';
import { Listener } from '../../../src/server/listener.ts';

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
