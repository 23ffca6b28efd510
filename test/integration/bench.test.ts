import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from '@jest/globals';
import type { Row } from '../../bench/measure.ts';
import type { MemoryRow } from '../../bench/memory.ts';
import { ENVIRONMENT } from '../../bench/rig.ts';
import { ChildProcess } from '../support/child-process.ts';

// The bench itself, in its smallest form: what is counted is asserted, what is timed never.

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const CASES = 'warm,birth,birth-10,burst,two-processes,one-tag,down,down-warm,containers-100,memory';

interface Output {
  readonly rows: readonly Row[];
  readonly memory: readonly MemoryRow[];
  readonly verdicts: readonly { readonly target: string }[];
}

let output: Output;

beforeAll(async () => {
  const bench = new ChildProcess({
    command: process.execPath,
    args: [MAIN, '--quick', '--json', '--only', CASES],
  });
  const { code, stdout, stderr } = await bench.exited;
  if (code !== 0) throw new Error(stderr);
  output = JSON.parse(stdout) as Output;
}, 120_000);

function row(name: string, webhook = 'samebytes'): Row {
  const found = output.rows.find((each) => each.name === name && each.webhook.startsWith(webhook));
  if (found === undefined) throw new Error(`no row of ${name}`);
  return found;
}

test('every case has an answer to every request, and nothing but Pods with digests where the registry is up', () => {
  for (const each of output.rows) expect(each).toMatchObject({ failed: 0 });
  const ours = output.rows.filter(({ webhook, name }) => webhook.startsWith('samebytes') && name !== 'down');
  for (const { name, pinned, requests } of ours) expect([name, pinned]).toEqual([name, requests]);
});

test('a Pod of a known revision costs no request, neither to a registry nor to the API server', () => {
  for (const name of ['warm', 'burst', 'down-warm', 'containers-100']) {
    expect([name, row(name).registryRequests, row(name).apiCalls]).toEqual([name, 0, 0]);
  }
});

test('a birth costs one registry request per image and three API calls', () => {
  expect(row('birth')).toMatchObject({ requests: 10, registryRequests: 10, apiCalls: 30 });
  expect(row('birth-10')).toMatchObject({ requests: 10, registryRequests: 100, apiCalls: 30 });
});

test('1,000 Pods of one revision through 2 webhook processes cost at most 2 registry requests per image', () => {
  const { requests, mostPerImage, registryRequests } = row('two-processes');
  expect(requests).toBe(1_000);
  expect(mostPerImage).toBeLessThanOrEqual(2);
  expect(registryRequests).toBeLessThanOrEqual(2);
});

test('500 births of one tag, 50 at once, ask the registry one at a time and share the answers', () => {
  const { requests, mostAtOncePerImage, registryRequests } = row('one-tag');
  expect([requests, mostAtOncePerImage]).toEqual([500, 1]);
  // Whoever is in flight together shares an answer; 500 would be one each.
  expect(registryRequests).toBeLessThanOrEqual(100);
});

test('while the registry is down every birth is refused, and nobody is kept without an answer', () => {
  expect(row('down')).toMatchObject({ denied: 500, pinned: 0, failed: 0, registryRequests: 0 });
});

test('memory is told for each step, and every target of the design is named', () => {
  expect(output.memory.map(({ revisions, failed }) => [revisions, failed])).toEqual([
    [100, 0],
    [200, 0],
  ]);
  expect(output.verdicts).toHaveLength(9);
});

test('what is measured has the environment of what is installed', async () => {
  const manifest = await readFile(
    new URL('../../manifests/base/43-deployment.yaml', import.meta.url),
    'utf8',
  );
  const variables = [...manifest.matchAll(/- name: ([A-Z_]+)\s+value: (.*)/g)];
  expect(Object.fromEntries(variables.map(([, name, value]) => [name, value?.replaceAll("'", '')]))).toEqual(
    ENVIRONMENT,
  );
});
