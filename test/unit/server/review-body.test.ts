import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Request, Response } from 'express';
import { expect, test } from '@jest/globals';
import { BodyError, readBodies } from '../../../src/server/review-body.ts';

// Bodies that are read and not yet answered.

const review = await readFile(
  new URL('../../fixtures/reviews/create-replicaset.json', import.meta.url),
  'utf8',
);

interface Held {
  readonly request: Request;
  readonly close: () => void;
}

async function hold(read: ReturnType<typeof readBodies>, body: string): Promise<Held> {
  const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  const request = Object.assign(Readable.from([Buffer.from(body)]), { headers }) as unknown as Request;
  const response = Object.assign(new EventEmitter(), { closed: false }) as unknown as Response;
  let passed = false;
  await read.handler(request, response, () => (passed = true));
  expect(passed).toBe(true);
  return { request, close: () => response.emit('close') };
}

test('there is room for two thousand Pods at once, and for as many again once these are answered', async () => {
  const read = readBodies();
  const text = JSON.stringify(JSON.parse(review));
  for (let round = 0; round < 2; round += 1) {
    const held: Held[] = [];
    for (let count = 0; count < 2_000; count += 1) held.push(await hold(read, text));
    expect(held.at(-1)?.request.body).toEqual(JSON.parse(review));
    for (const { close } of held) close();
    expect(read.limits.read_body_bytes?.used).toBe(0);
    expect(read.limits.arriving_body_bytes?.used).toBe(0);
  }
});

test('whoever comes past that is told so, with status 429', async () => {
  const read = readBodies();
  const text = JSON.stringify(JSON.parse(review));
  const fill = async (): Promise<void> => {
    for (;;) await hold(read, text);
  };
  await expect(fill()).rejects.toEqual(expect.objectContaining({ status: 429 }));
  await expect(fill()).rejects.toBeInstanceOf(BodyError);
  const { used = 0, max = 0 } = read.limits.read_body_bytes ?? {};
  expect(used).toBeLessThanOrEqual(max);
});
