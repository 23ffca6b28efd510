import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { Listener } from '../../../src/server/listener.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

async function get(port: number, agent: http.Agent): Promise<http.IncomingMessage> {
  const [response] = (await once(http.get({ port, host: '127.0.0.1', agent }), 'response')) as [
    http.IncomingMessage,
  ];
  response.resume();
  await once(response, 'end');
  return response;
}

test('a port that is taken is an error, not a crash later', async () => {
  const listener = await Listener.open((_request, response) => response.end(), LOOPBACK);
  const again = Listener.open((_request, response) => response.end(), { ...LOOPBACK, port: listener.port });
  await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await listener.close(0);
  expect(listener.port).toBe(0);
});

test('once the close is announced, requests are still answered, and told to connect anew', async () => {
  const listener = await Listener.open((_request, response) => response.end(), LOOPBACK);
  const agent = new http.Agent({ keepAlive: true });
  expect((await get(listener.port, agent)).headers.connection).not.toBe('close');
  listener.announceClose();
  expect((await get(listener.port, agent)).headers.connection).toBe('close');
  agent.destroy();
  await listener.close(0);
});

test('a request under way is finished before the listener is closed', async () => {
  const arrived = Promise.withResolvers<http.ServerResponse>();
  const listener = await Listener.open((_request, response) => arrived.resolve(response), LOOPBACK);
  const answer = get(listener.port, new http.Agent());
  const response = await arrived.promise;
  const events: string[] = [];
  const closed = listener.close(60_000).then(() => events.push('closed'));
  const answered = answer.then(() => events.push('answered'));
  response.end('late');
  await Promise.all([answered, closed]);
  expect(events).toHaveLength(2);
  expect((await answer).statusCode).toBe(200);
});

test('a request that never ends is cut off when the grace is over', async () => {
  const arrived = Promise.withResolvers<void>();
  const listener = await Listener.open(() => arrived.resolve(), LOOPBACK);
  const answer = get(listener.port, new http.Agent()).catch((error: unknown) => error);
  await arrived.promise;
  await listener.close(1);
  expect(await answer).toMatchObject({ code: 'ECONNRESET' });
});

test('an idle connection does not hold the close up', async () => {
  const listener = await Listener.open((_request, response) => response.end(), LOOPBACK);
  const agent = new http.Agent({ keepAlive: true });
  await get(listener.port, agent);
  await expect(listener.close(60_000)).resolves.toBeUndefined();
  agent.destroy();
});

test('a new connection is not taken after the close', async () => {
  const listener = await Listener.open((_request, response) => response.end(), LOOPBACK);
  const { port } = listener;
  await listener.close(0);
  const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [Error];
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
});
