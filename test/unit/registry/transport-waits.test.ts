import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { Transport } from '../../../src/registry/transport.ts';

test('a request whose connection is being made ends with its signal', async () => {
  const sockets: Socket[] = [];
  // It answers nothing to the first message of TLS.
  const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const url = new URL(`https://127.0.0.1:${(silent.address() as AddressInfo).port}/v2/`);
  const transport = new Transport({
    ca: undefined,
    allowPrivate: false,
    allowLoopback: true,
    origins: new Set([url.origin]),
    listed: true,
    userAgent: 'samebytes-test',
  });
  const given = new AbortController();
  const answered = transport.send({
    method: 'HEAD',
    url,
    headers: {},
    maxBodyBytes: 0,
    signal: given.signal,
  });
  await once(silent, 'connection');
  given.abort(new Error('enough'));
  await expect(answered).rejects.toThrow('enough');
  for (const socket of sockets) socket.destroy();
  await Promise.all([transport.close(), once(silent.close(), 'close')]);
});
