import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { expect, test } from '@jest/globals';
import { issueCertificates } from '../../../src/certificates/authority.ts';

const notBefore = new Date('2026-01-01T00:00:00Z');
const names = ['samebytes.samebytes.svc', 'localhost', '127.0.0.1', '::1'];
const { ca, serving } = await issueCertificates({ names, notBefore, validDays: 30 });
const authority = new X509Certificate(ca.cert);
const certificate = new X509Certificate(serving.cert);

test('the serving certificate is signed by the authority, which is one', () => {
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.checkIssued(authority)).toBe(true);
  expect([authority.ca, certificate.ca]).toEqual([true, false]);
});

test('it is valid for every name and address that was asked for, and no other', () => {
  expect(certificate.checkHost('samebytes.samebytes.svc')).toBeDefined();
  expect(certificate.checkHost('localhost')).toBeDefined();
  expect(certificate.checkIP('127.0.0.1')).toBeDefined();
  expect(certificate.checkIP('::1')).toBeDefined();
  expect(certificate.checkHost('other.svc')).toBeUndefined();
  expect(certificate.checkIP('127.0.0.2')).toBeUndefined();
});

test('it is valid from the given moment for the given days', () => {
  expect(certificate.validFromDate).toEqual(notBefore);
  expect(certificate.validToDate).toEqual(new Date('2026-01-31T00:00:00Z'));
});

test('key and certificate are a pair that TLS takes, and the key is an EC key', () => {
  expect(() => createSecureContext({ cert: serving.cert, key: serving.key })).not.toThrow();
  expect(certificate.publicKey.asymmetricKeyType).toBe('ec');
});

test('two authorities share neither key nor serial number', async () => {
  const other = await issueCertificates({ names, notBefore, validDays: 30 });
  expect(new X509Certificate(other.ca.cert).serialNumber).not.toBe(authority.serialNumber);
  expect(certificate.verify(new X509Certificate(other.ca.cert).publicKey)).toBe(false);
});
