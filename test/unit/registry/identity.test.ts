import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { Credential } from '../../../src/registry/identity.ts';

const credential = new Credential({
  fingerprint: 'f1',
  source: 'Secret shop/regcred',
  username: 'ann',
  secret: 'hunter2',
  kind: 'password',
});

test.each([
  ['JSON', JSON.stringify({ credential })],
  ['a string', String(credential)],
  ['inspect', inspect({ credential }, { depth: 9, showHidden: true })],
  ['its entries', JSON.stringify(Object.entries(credential))],
])('%s of a credential names where it came from at most, never user or secret', (_how, text) => {
  expect(text).not.toMatch(/ann|hunter2/);
});

test('who sends it can read it', () => {
  expect(credential.reveal()).toEqual({ username: 'ann', secret: 'hunter2' });
});
