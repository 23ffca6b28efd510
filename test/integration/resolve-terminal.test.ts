import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { addResolve } from '../../src/commands/resolve.ts';
import { CommandError, type Surroundings } from '../../src/commands/surroundings.ts';
import { OciRegistry } from '../../src/demo/oci-registry.ts';
import { pushIndex } from '../support/image-index.ts';
import { SettingsFiles } from '../support/settings-files.ts';

// `samebytes resolve` at a terminal, which is played; the registry is real.

const PLATFORMS = ['amd64', 'arm64', 'riscv64'].map((architecture) => ({ os: 'linux', architecture }));

let registry: OciRegistry;
let files: SettingsFiles;
let image: string;

beforeEach(async () => {
  files = new SettingsFiles();
  registry = new OciRegistry();
  await registry.start();
  await pushIndex(registry, 'shop/web', '1.0', PLATFORMS);
  image = `${registry.host}/shop/web:1.0`;
});

afterEach(async () => {
  await registry.stop();
  files.remove();
});

/** What a person sees who types this at a terminal. */
async function typed(
  args: readonly string[],
  { columns = 200, env = {} }: { columns?: number; env?: Surroundings['env'] } = {},
): Promise<string> {
  let seen = '';
  const program = new Command().exitOverride();
  addResolve(program, {
    env,
    input: { isTTY: true, read: () => process.stdin },
    output: {
      isTTY: true,
      columns,
      write: (text) => (seen += text),
      closed: new AbortController().signal,
    },
    onStopSignal: () => {},
  });
  const config = files.write(
    JSON.stringify({ registries: [{ host: registry.host, insecure: true, allowLoopback: true }] }),
  );
  await program.parseAsync(['resolve', '--config', config, ...args], { from: 'user' });
  return seen;
}

test('a person who names no image hears how, and is not left waiting', async () => {
  await expect(typed([])).rejects.toThrow(CommandError);
  await expect(typed([])).rejects.toThrow('no image is named');
});

test('the header is bold, and nothing else has a colour', async () => {
  const [before, header, rest] = (await typed([image])).split(/\p{Cc}\[(?:1|22)m/u);
  expect(before).toBe('');
  expect(header).toMatch(/^REGISTRY .* PLATFORMS$/);
  expect(rest).toMatch(/^\n[^\p{Cc}]+\n$/u);
});

test('NO_COLOR is obeyed', async () => {
  expect(await typed([image], { env: { NO_COLOR: '1' } })).not.toContain('\u001B');
});

test('JSON has no colour', async () => {
  const text = await typed(['-o', 'json', image]);
  expect(text).not.toContain('\u001B');
  expect(JSON.parse(text)).toMatchObject({ images: [{ image }] });
});

test('the table fits the terminal, or gives way to three lines an image', async () => {
  const platforms = 'linux/amd64, linux/arm64, linux/riscv64';
  expect(await typed([image], { columns: 200 })).toContain(platforms);
  expect(await typed([image], { columns: 160 })).toContain('linux/amd64, linux/arm64 +1\n');
  expect((await typed([image], { columns: 80 })).split('\n')).toEqual([
    `\u001B[1m${image}\u001B[22m`,
    expect.stringMatching(/^ {2}sha256:[0-9a-f]{64}$/),
    expect.stringMatching(/^ {2}OCI index {2}\d+ ms {2}linux\/amd64, linux\/arm64, linux\/riscv64$/),
    '',
  ]);
});
