import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { issueCertificates } from '../../../src/certificates/authority.ts';
import { TlsFiles, TlsPairError, type TlsPair } from '../../../src/server/tls-files.ts';

const issue = async (): Promise<TlsPair> =>
  (await issueCertificates({ names: ['localhost'], notBefore: new Date(), validDays: 1 })).serving;
const first = await issue();
const second = await issue();

let directory: string;
let changes: TlsPair[];
let problems: unknown[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'samebytes-tls-'));
  changes = [];
  problems = [];
  await write(first);
});
afterEach(async () => rm(directory, { recursive: true }));

async function write({ cert, key }: TlsPair): Promise<void> {
  await writeFile(join(directory, 'tls.crt'), cert);
  await writeFile(join(directory, 'tls.key'), key);
}

async function open(): Promise<TlsFiles> {
  return TlsFiles.open({
    certFile: join(directory, 'tls.crt'),
    keyFile: join(directory, 'tls.key'),
    onChange: (pair) => void changes.push(pair),
    onError: (error) => void problems.push(error),
  });
}

test('files that did not change change nothing', async () => {
  const files = await open();
  await files.check();
  await write(first);
  await files.check();
  expect(files.served).toEqual(first);
  expect(changes).toEqual([]);
});

test('a new pair is served, and told once', async () => {
  const files = await open();
  await write(second);
  await files.check();
  await files.check();
  expect(files.served).toEqual(second);
  expect(changes).toEqual([second]);
});

test('halfway through a swap the old pair stays, which is reported once; then the new one is served', async () => {
  const files = await open();
  await write({ cert: second.cert, key: first.key });
  await files.check();
  await files.check();
  expect(files.served).toEqual(first);
  expect(problems).toEqual([expect.any(TlsPairError)]);
  await write(second);
  await files.check();
  expect(files.served).toEqual(second);
});

test('files that go away leave the old pair in use', async () => {
  const files = await open();
  await rm(join(directory, 'tls.key'));
  await files.check();
  expect(files.served).toEqual(first);
  expect(problems).toEqual([expect.objectContaining({ code: 'ENOENT' })]);
});

test.each([
  ['no PEM', { cert: 'nothing', key: first.key }],
  ['the key of another certificate', { cert: first.cert, key: second.key }],
  ['nothing', { cert: '', key: '' }],
])('at start, %s is an error that names the files', async (_what, pair) => {
  await write(pair);
  await expect(open()).rejects.toThrow(/tls\.crt and .*tls\.key/);
});
