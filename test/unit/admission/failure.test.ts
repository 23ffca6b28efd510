import { describe, expect, test } from '@jest/globals';
import { DeadlineError, failureOf, triedBy } from '../../../src/admission/failure.ts';
import { PinStoreError } from '../../../src/pins/pin-store.ts';
import { ownerOf, type PodOwner } from '../../../src/pins/revision.ts';
import { REGISTRY_ERROR_CODES, RegistryError } from '../../../src/registry/errors.ts';
import { Credential } from '../../../src/registry/identity.ts';
import { ownedBy } from '../../support/pods.ts';

const SECRET = 'connect ECONNREFUSED 10.0.0.7:5000';

function owner(kind: string, apiVersion = 'apps/v1'): PodOwner {
  const labels = { 'controller-revision-hash': 'web-1' };
  return ownerOf({ labels, ownerReferences: [ownedBy(kind, 'uid-1', apiVersion)] }, 'shop');
}

const REPLICA_SET = owner('ReplicaSet');
const BARE: PodOwner = { type: 'none' };

const ERRORS: readonly [string, unknown][] = [
  ...REGISTRY_ERROR_CODES.map((code): [string, unknown] => [
    code,
    new RegistryError(code, SECRET, { registry: SECRET, cause: new Error(SECRET) }),
  ]),
  ['deadline', new DeadlineError(SECRET)],
  ['pin_unreadable', new PinStoreError('pin_unreadable', SECRET)],
  ['pin_unwritable', new PinStoreError('pin_unwritable', SECRET)],
  ['internal_error', new TypeError(SECRET)],
  ['internal_error', SECRET],
  ['internal_error', undefined],
];

describe('a failure', () => {
  test.each(ERRORS)('%s is known by its code, with a class and a next step', (code, error) => {
    const failure = failureOf(error, REPLICA_SET);
    expect(failure.code).toBe(code);
    expect(failure.what).toMatch(/\w+/);
    expect(failure.nextStep).toMatch(/\w+/);
  });

  test.each(ERRORS)('%s tells nothing of what the error itself says', (_code, error) => {
    expect(JSON.stringify(failureOf(error, REPLICA_SET))).not.toContain('10.0.0.7');
    expect(JSON.stringify(failureOf(error, REPLICA_SET))).not.toContain('ECONNREFUSED');
  });

  test.each([
    ['unreachable', 503],
    ['throttled', 503],
    ['denied', 403],
    ['not_found', 403],
    ['policy', 403],
    ['certificate', 403],
    ['forbidden_address', 403],
    ['schema1', 403],
    ['invalid_answer', 403],
    ['deadline', 503],
    ['pin_unreadable', 503],
    ['pin_unwritable', 503],
  ])('%s has status %d: 503 where trying again may help', (code, status) => {
    const [, error] = ERRORS.find(([known]) => known === code) ?? [];
    expect(failureOf(error, REPLICA_SET).status).toBe(status);
  });

  test('of access says which credentials were tried', () => {
    const tried = ['Secret regcred', 'anonymous'];
    const error = new RegistryError('denied', SECRET, { registry: 'r', tried });
    expect(failureOf(error, REPLICA_SET).what).toBe(
      'the registry denied access (tried: Secret regcred, anonymous)',
    );
  });

  test('of access names no Secret of somebody else who has the same credentials and asked at the same time', () => {
    const tried = ['Secret of-another-tenant', 'anonymous'];
    const error = new RegistryError('denied', SECRET, { registry: 'r', tried });
    const own = new Credential({
      fingerprint: 'f',
      source: 'Secret mine',
      username: 'ann',
      secret: 'planted',
      kind: 'password',
    });
    const identity = { fingerprint: 'f', credentials: [own] };
    const asked = { identity, problems: [], noneMatches: false };
    expect(failureOf(error, REPLICA_SET, asked).what).toContain('(tried: Secret mine, anonymous)');
    expect(triedBy(error, asked)).toEqual(['Secret mine', 'anonymous']);
  });

  test('that ended before all credentials were tried names those that were', () => {
    const credentials = ['one', 'two'].map(
      (name) =>
        new Credential({
          fingerprint: name,
          source: `Secret ${name}`,
          username: 'u',
          secret: 's',
          kind: 'password',
        }),
    );
    const asked = { identity: { fingerprint: 'f', credentials }, problems: [], noneMatches: false };
    const error = new RegistryError('denied', SECRET, { registry: 'r', tried: ['Secret one'] });
    expect(triedBy(error, asked)).toEqual(['Secret one']);
    expect(triedBy(new DeadlineError(SECRET), asked)).toEqual(['Secret one', 'Secret two', 'anonymous']);
  });

  test('of access stays short, however many credentials with however long names were tried', () => {
    const tried = Array.from({ length: 100 }, (_, index) => `Secret ${index}${'x'.repeat(253)}`);
    const error = new RegistryError('denied', SECRET, { registry: 'r', tried });
    expect(failureOf(error, REPLICA_SET).what.length).toBeLessThan(600);
  });

  test('other than of access says nothing of credentials', () => {
    const error = new RegistryError('not_found', SECRET, { registry: 'r', tried: ['Secret regcred'] });
    expect(JSON.stringify(failureOf(error, REPLICA_SET))).not.toContain('regcred');
  });
});

describe('the advice to try again', () => {
  const outage = new RegistryError('unreachable', SECRET, { registry: 'r' });

  test.each([
    ['a ReplicaSet', REPLICA_SET],
    ['a StatefulSet', owner('StatefulSet')],
    ['a DaemonSet', owner('DaemonSet')],
  ])('names rollout restart to the Pod of %s, which is immediate', (_who, podOwner) => {
    const { nextStep } = failureOf(outage, podOwner);
    expect(nextStep).toContain('by itself, after up to 17 minutes');
    expect(nextStep).toContain('`kubectl rollout restart`');
  });

  test.each([
    ['a Job', owner('Job', 'batch/v1')],
    ['a ReplicationController', owner('ReplicationController', 'v1')],
    ['a bare Pod', BARE],
    ['a custom resource', owner('Cluster', 'postgresql.cnpg.io/v1')],
  ])('names no rollout restart to %s, which has none', (_who, podOwner) => {
    expect(failureOf(outage, podOwner).nextStep).not.toContain('rollout restart');
  });

  test('tells the Pod of a Job that it takes a minute', () => {
    expect(failureOf(outage, owner('Job', 'batch/v1')).nextStep).toContain('within a minute');
  });

  test('tells the author of a bare Pod that nobody else tries again', () => {
    expect(failureOf(outage, BARE).nextStep).toBe('create the Pod again in a while');
  });
});
