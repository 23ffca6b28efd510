import { readFile } from 'node:fs/promises';
import { afterEach, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import type { State } from '../../src/dashboard/state.ts';
import { SamebytesProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';

// The demo is the first thing that anyone sees; it must prove what it says, and fail when it is not so.

let demo: SamebytesProcess;

afterEach(async () => {
  await demo.kill();
});

test('the demo tells its story in plain text, every claim holds, and it exits with 0', async () => {
  demo = new SamebytesProcess(['demo']);
  const { code, stdout, stderr } = await demo.exited;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/before {2}image: 127\.0\.0\.1:\d+\/shop\/web:1\.0/);
  expect(stdout).toMatch(/after {3}image: 127\.0\.0\.1:\d+\/shop\/web@sha256:[0-9a-f]{12}…/);
  expect(stdout).toMatch(/(\d+) of \1 claims hold/);
  expect(stdout).not.toContain('FAILED');
  // eslint-disable-next-line no-control-regex -- colours are what is looked for
  expect(stdout).not.toMatch(/\u001b\[/);
});

test('a demo whose output nobody reads any more goes on to its end, quietly', async () => {
  demo = new SamebytesProcess(['demo']);
  await demo.printed(/^samebytes demo:/);
  demo.closeStdout();
  expect(await demo.exited).toMatchObject({ code: 0, signal: null, stderr: '' });
});

test('with the memory of pins broken on purpose, claims fail and the demo exits with 1', async () => {
  demo = new SamebytesProcess(['demo'], { SAMEBYTES_DEMO_BREAK_PINS: '1' });
  const { code, stdout, stderr } = await demo.exited;
  expect(code).toBe(1);
  expect(stdout).toMatch(/FAILED {2}the 3 new replicas have the digest of the first 3/);
  expect(stdout).toMatch(/FAILED {2}the rollback really goes back/);
  expect(stderr).toMatch(/\d+ of the demo's claims did not hold/);
});

test('with --serve it prints a curl line whose parts work and a dashboard that has something to see, and ends on Ctrl-C', async () => {
  demo = new SamebytesProcess(['demo', '--serve']);
  const [, ca = '', review = '', url = ''] = await demo.printed(
    /curl --cacert (\S+) .*\n\s+--data-binary @(\S+) '(https:[^']+)'/,
  );
  await demo.printed(/Metrics: http:/);
  const agent = new Agent({ connect: { ca: await readFile(ca, 'utf8') } });
  const { statusCode, body } = await request(url, {
    dispatcher: agent,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: await readFile(review),
  });
  const { response } = (await body.json()) as { response: { allowed: boolean; patch: string } };
  await agent.close();
  expect({ statusCode, allowed: response.allowed }).toEqual({ statusCode: 200, allowed: true });
  expect(Buffer.from(response.patch, 'base64').toString()).toMatch(/shop\/web@sha256:[0-9a-f]{64}/);

  const [, page = ''] = await demo.printed(/Dashboard: (http:\S+)/);
  await until('the dashboard to have something to see', async () => {
    const state = (await fetch(new URL('state', page)).then((answer) => answer.json())) as State;
    const { pins, refusals, tagMoves } = state.recent ?? { pins: [], refusals: [], tagMoves: [] };
    const places = new Set(pins.map(({ namespace }) => namespace));
    return places.size > 1 && refusals.length > 0 && tagMoves.length > 0 && state.registries.length > 1;
  });

  demo.signal('SIGINT');
  expect(await demo.exited).toMatchObject({ code: 0 });
  await expect(readFile(ca)).rejects.toThrow('ENOENT');
}, 60_000);
