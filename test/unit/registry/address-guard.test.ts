import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { ForbiddenAddressError, guardedLookup, isForbidden } from '../../../src/registry/address-guard.ts';

const PUBLIC_ONLY = { allowPrivate: false, allowLoopback: false };
const ALL = { allowPrivate: true, allowLoopback: true };

describe('an address', () => {
  test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
    '%s is open to everyone',
    (address) => {
      expect(isForbidden(address, PUBLIC_ONLY)).toBe(false);
    },
  );

  test.each([
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '198.18.0.1',
    'fc00::1',
    'fd12::1',
    '::ffff:10.0.0.1',
    '::10.0.0.1',
    '64:ff9b::10.0.0.1',
    '2002:a00:1::',
  ])('%s is private: open only where the operator says so', (address) => {
    expect(isForbidden(address, PUBLIC_ONLY)).toBe(true);
    expect(isForbidden(address, { allowPrivate: true, allowLoopback: false })).toBe(false);
  });

  test.each(['127.0.0.1', '127.8.8.8', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::ffff:7f00:1'])(
    '%s is this machine: open only where the operator says so',
    (address) => {
      expect(isForbidden(address, { allowPrivate: true, allowLoopback: false })).toBe(true);
      expect(isForbidden(address, { allowPrivate: false, allowLoopback: true })).toBe(false);
    },
  );

  test.each([
    '0.0.0.0',
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'ff02::1',
    'fd00:ec2::254',
    'fd20:ce::254',
    'fd00:c1::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '2001::1',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'no address',
    '',
    '0177.0.0.1',
  ])('%j is open to nobody', (address) => {
    expect(isForbidden(address, ALL)).toBe(true);
  });
});

/** A name server that knows these addresses, and what it was asked. */
function nameServer(...addresses: string[]): { asked: string[]; lookup: LookupFunction } {
  const asked: string[] = [];
  const lookup: LookupFunction = (name, _options, callback) => {
    asked.push(name);
    callback(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    );
  };
  return { asked, lookup };
}

/** A name server that knows no name. */
const failing: LookupFunction = (_name, _options, callback) =>
  callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '');

async function resolve(lookup: LookupFunction, absolute = true, all = true): Promise<unknown> {
  const { promise, resolve: done } = Promise.withResolvers<unknown>();
  guardedLookup(PUBLIC_ONLY, { absolute, lookup })('registry.example', { all }, (error, address) =>
    done(error ?? address),
  );
  return promise;
}

describe('the look-up of a name', () => {
  test('hands on the addresses that were checked, and no others', async () => {
    const { lookup } = nameServer('8.8.8.8', '1.1.1.1');
    expect(await resolve(lookup)).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '1.1.1.1', family: 4 },
    ]);
    expect(await resolve(lookup, true, false)).toBe('8.8.8.8');
  });

  test.each([[['169.254.169.254']], [['8.8.8.8', '10.0.0.1']], [[]]])(
    'is refused where any address is closed: %j',
    async (addresses) => {
      expect(await resolve(nameServer(...addresses).lookup)).toBeInstanceOf(ForbiddenAddressError);
    },
  );

  test('asks for an absolute name, so that a search path cannot lead it into the cluster', async () => {
    const { asked, lookup } = nameServer('8.8.8.8');
    await resolve(lookup, true);
    await resolve(lookup, false);
    expect(asked).toEqual(['registry.example.', 'registry.example']);
  });

  test('reports what the name server reported', async () => {
    expect(await resolve(failing)).toMatchObject({ code: 'ENOTFOUND' });
  });

  test('is the system’s own where no other is given', async () => {
    const rules = { allowPrivate: false, allowLoopback: true };
    const { promise, resolve: done } = Promise.withResolvers<unknown>();
    guardedLookup(rules, { absolute: false, lookup: systemLookup })(
      'localhost',
      { family: 4 },
      (error, address) => done(error ?? address),
    );
    expect(await promise).toBe('127.0.0.1');
  });
});
