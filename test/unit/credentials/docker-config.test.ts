import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { DockerConfigError, readDockerConfig } from '../../../src/credentials/docker-config.ts';

// What is read how is in kubelet-tables.test.ts, case by case.

const SECRET = 'hunter2';
const ENCODED = Buffer.from(`ann:${SECRET}`).toString('base64');
const entry = (fields: object): string => JSON.stringify({ auths: { 'registry.test': fields } });

test.each([
  ['half of it', `{"auths":{"registry.test":{"auth":"${ENCODED}"`],
  ['a comma too many', `{"auths":{"registry.test":{"auth":"${ENCODED}"},}}`],
  ['the bare auth', ENCODED],
  ['a text', JSON.stringify(SECRET)],
  ['a list', JSON.stringify([SECRET])],
  ['auths that are a text', JSON.stringify({ auths: SECRET })],
  ['an entry that is a text', JSON.stringify({ auths: { 'registry.test': SECRET } })],
  ['broken base64', entry({ auth: `${SECRET}!` })],
  ['base64 of no user', entry({ auth: Buffer.from(SECRET).toString('base64') })],
  ['a password that is a number', entry({ username: SECRET, password: 1 })],
  ['headers that are no texts', JSON.stringify({ auths: {}, HttpHeaders: { [SECRET]: 1 } })],
])('the error about %s quotes nothing of it, and has no cause that could', (_what, body) => {
  let thrown: unknown;
  try {
    readDockerConfig('kubernetes.io/dockerconfigjson', body, () => 'sealed');
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(DockerConfigError);
  expect(inspect(thrown, { depth: Infinity, showHidden: true })).not.toMatch(
    new RegExp(`${SECRET}|${ENCODED}|registry.test`),
  );
});

test('user and password are sealed as they are read', () => {
  const sealed: string[] = [];
  const read = readDockerConfig(
    'kubernetes.io/dockerconfigjson',
    entry({ auth: ENCODED }),
    (user, secret) => {
      sealed.push(`${user} ${secret}`);
      return 'sealed';
    },
  );
  expect(read).toEqual([['registry.test', 'sealed']]);
  expect(sealed).toEqual([`ann ${SECRET}`]);
});

test.each(['caf\u00e9:p\u00e4ss', 'user:with:colons', ':only-a-password'])(
  '%j is decoded as UTF-8, split at its first colon',
  (pair) => {
    const auth = Buffer.from(pair).toString('base64');
    const [read] = readDockerConfig('kubernetes.io/dockerconfigjson', entry({ auth }), (user, secret) => [
      user,
      secret,
    ]);
    const colon = pair.indexOf(':');
    expect(read?.[1]).toEqual([pair.slice(0, colon), pair.slice(colon + 1)]);
  },
);
