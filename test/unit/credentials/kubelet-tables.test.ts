import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { DockerConfigError, readDockerConfig } from '../../../src/credentials/docker-config.ts';
import { goMatch } from '../../../src/credentials/go-match.ts';
import { Keyring, type KeyringEntry } from '../../../src/credentials/keyring.ts';
import { configKeyOf } from '../../../src/credentials/pull-secret.ts';
import { parseReference } from '../../../src/image/reference.ts';

// The tables are what Kubernetes' own packages say; test/support/credential-tables made them.

interface KeyringRow {
  readonly secrets: readonly (readonly KeyringEntry<string>[])[];
  readonly images?: readonly string[];
  readonly lookups: Readonly<Record<string, readonly string[]>>;
}
interface ConfigRow {
  readonly type: string;
  readonly body: string;
  readonly entries: Readonly<Record<string, { username: string; password: string }>> | null;
}
interface SecretRow {
  readonly type: string;
  readonly keys: readonly string[];
  readonly used: boolean;
}
interface MatchRow {
  readonly pattern: string;
  readonly matching: readonly string[];
  readonly other: readonly string[];
  readonly bad: readonly string[];
}

async function table<Row>(name: string): Promise<Row[]> {
  const file = new URL(`../../fixtures/credentials/${name}.json`, import.meta.url);
  return JSON.parse(await readFile(file, 'utf8')) as Row[];
}

const [keyrings, images, configs, secrets, matches] = await Promise.all([
  table<KeyringRow>('keyrings'),
  table<string>('images'),
  table<ConfigRow>('configs'),
  table<SecretRow>('secrets'),
  table<MatchRow>('matches'),
]);

/** A row for each thing that the kubelet says otherwise than we do: none. */
function differences<T>(rows: Iterable<readonly [row: T, theirs: unknown, ours: unknown]>): object[] {
  return [...rows]
    .filter(([, theirs, ours]) => JSON.stringify(theirs) !== JSON.stringify(ours))
    .map(([row, theirs, ours]) => ({ row, theirs, ours }));
}

/** Entries as text that does not depend on their order; null where there is nothing to read. */
function shown(entries: ConfigRow['entries']): string[] | null {
  if (entries === null) return null;
  return Object.entries(entries)
    .map(([key, { username, password }]) => JSON.stringify([key, username, password]))
    .toSorted();
}

function readEntries({ type, body }: ConfigRow): ConfigRow['entries'] {
  try {
    return Object.fromEntries(readDockerConfig(type, body, (username, password) => ({ username, password })));
  } catch (error) {
    if (error instanceof DockerConfigError) return null;
    throw error;
  }
}

test('credentials are looked up as the kubelet does, in its order', () => {
  const asked = keyrings.flatMap(({ secrets: entries, images: own = images, lookups }) => {
    const keyring = new Keyring(entries.flat());
    return own.map(
      (image) => [{ entries, image }, lookups[image] ?? [], keyring.lookUp(parseReference(image))] as const,
    );
  });
  expect(differences(asked)).toEqual([]);
  expect(asked.length).toBeGreaterThan(10_000);
  expect(asked.filter(([, users]) => users.length > 0).length).toBeGreaterThan(1_000);
});

test('docker configs are read as the kubelet does', () => {
  const read = configs.map((row) => [row, shown(row.entries), shown(readEntries(row))] as const);
  expect(differences(read)).toEqual([]);
  expect(read.filter(([, entries]) => entries === null).length).toBeGreaterThan(50);
});

test('the type of a secret says which of its keys is read, and others are not', () => {
  const read = secrets.map(({ type, keys, used }) => {
    const key = configKeyOf(type);
    return [{ type, keys }, used, key !== undefined && keys.includes(key)] as const;
  });
  expect(differences(read)).toEqual([]);
});

describe('globs are matched as Go does', () => {
  test.each(matches)('$pattern', ({ pattern, matching, other, bad }) => {
    expect(matching.filter((name) => goMatch(pattern, name) !== true)).toEqual([]);
    expect(other.filter((name) => goMatch(pattern, name) !== false)).toEqual([]);
    expect(bad.filter((name) => goMatch(pattern, name) !== undefined)).toEqual([]);
  });
});
