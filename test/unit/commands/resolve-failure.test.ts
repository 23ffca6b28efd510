import { describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/admission/failure.ts';
import { explainFailure } from '../../../src/commands/resolve-failure.ts';
import { InvalidReferenceError } from '../../../src/image/reference.ts';
import { REGISTRY_ERROR_CODES, RegistryError, type RegistryErrorCode } from '../../../src/registry/errors.ts';

const HOST = 'registry.test:5000';
const CLOSED = { host: HOST, allowPrivate: false, allowLoopback: false };

function registryError(code: RegistryErrorCode, details: object = {}): RegistryError {
  return new RegistryError(code, 'what we saw', { registry: HOST, ...details });
}

/** An error with a code, as Node.js and its libraries throw them; their message quotes the other side. */
function coded(code: string, cause?: unknown): Error {
  return Object.assign(new Error('s3cret', { cause }), { code });
}

function causeText(cause: unknown): string | undefined {
  return explainFailure(registryError('unreachable', { cause }), CLOSED).cause;
}

function nextStep(code: RegistryErrorCode, details: object, rules = CLOSED): string {
  return explainFailure(registryError(code, details), rules).nextStep;
}

function closed(allowPrivate: boolean, allowLoopback: boolean, registry = HOST): string {
  return nextStep('forbidden_address', { registry }, { host: HOST, allowPrivate, allowLoopback });
}

test.each(REGISTRY_ERROR_CODES)('%s is explained by what it is, its cause and a next step', (code) => {
  const failure = explainFailure(registryError(code), CLOSED);
  expect(failure.class).toBe(code);
  expect(failure.message).not.toBe('');
  expect(failure.cause).toBe('what we saw');
  expect(failure.nextStep).not.toBe('');
});

test('a deadline and an image that nobody can read are explained, too', () => {
  expect(explainFailure(new DeadlineError('not done after 10 s'), CLOSED)).toMatchObject({
    class: 'deadline',
    cause: 'not done after 10 s',
    nextStep: expect.stringContaining('--timeout'),
  });
  expect(explainFailure(new InvalidReferenceError('it is empty'), undefined)).toMatchObject({
    class: 'invalid_reference',
    cause: 'it is empty',
  });
});

test('a fault of ours is thrown, not explained away', () => {
  const fault = new TypeError('undefined is not a function');
  expect(() => explainFailure(fault, CLOSED)).toThrow(fault);
});

describe('a cause', () => {
  test.each([
    ['a code in words', coded('ECONNREFUSED'), 'what we saw: connection refused (ECONNREFUSED)'],
    ['a code without words as it is', coded('EWHATEVER'), 'what we saw: EWHATEVER'],
    [
      'a code that lies deeper',
      coded('UND_ERR', coded('ENOTFOUND')),
      'what we saw: no such host (ENOTFOUND)',
    ],
    ['no code that there is none of', new Error('s3cret'), 'what we saw'],
    ['nothing that only looks like one', Object.assign(new Error('s3cret'), { code: 7 }), 'what we saw'],
    ['nothing that an object has by itself', coded('toString'), 'what we saw: toString'],
  ])('shows %s, and no message of another', (_what, cause, text) => {
    expect(causeText(cause)).toBe(text);
  });

  test('that leads back to itself has an end', () => {
    const circle = coded('EWHATEVER');
    circle.cause = circle;
    expect(causeText(circle)).toBe('what we saw: EWHATEVER');
  });
});

describe('the next step', () => {
  test('of a closed address names the ways that are not taken yet', () => {
    expect(closed(false, false)).toMatch(/--allow-loopback.*--allow-private/);
    expect(closed(true, false)).toMatch(/^(?!.*--allow-private).*--allow-loopback/);
    expect(closed(false, true)).toMatch(/^(?!.*--allow-loopback).*--allow-private/);
    expect(closed(true, true)).not.toContain('--allow');
  });

  test.each([
    ['localhost:5000', '--allow-loopback'],
    ['127.0.0.1:5000', '--allow-loopback'],
    ['[::1]:5000', '--allow-loopback'],
    ['10.1.2.3', '--allow-private'],
    ['[fd00::1]:5000', '--allow-private'],
  ])('of the address %s is %s alone', (registry, flag) => {
    expect(closed(false, false, registry).match(/--allow-\w+/g)).toEqual([flag]);
  });

  test.each(['169.254.169.254', '[fe80::1]', '0.0.0.0:80'])('of the address %s is none', (registry) => {
    expect(closed(false, false, registry)).toMatch(/^no registry may be there/);
  });

  test('of a host that is not found names --allow-private, unless that is given', () => {
    const cause = coded('ENOTFOUND');
    expect(nextStep('unreachable', { cause })).toContain('--allow-private');
    expect(nextStep('unreachable', { cause }, { ...CLOSED, allowPrivate: true })).not.toContain('--allow');
  });

  test('of a registry that throttles is the time that it asks for', () => {
    expect(nextStep('throttled', { retryAfterMs: 1_500 })).toBe('try again in 2 s, as the registry asks');
  });

  test('of one without TLS is the setting, ready to be copied', () => {
    const cause = coded('ERR_SSL_WRONG_VERSION_NUMBER');
    expect(nextStep('unreachable', { cause })).toContain(
      "registries: [{ host: 'registry.test:5000', insecure: true }]",
    );
  });

  test('of a token server without TLS is no setting of the registry', () => {
    const cause = coded('ERR_SSL_WRONG_VERSION_NUMBER');
    expect(nextStep('unreachable', { cause, registry: 'auth.test' })).not.toContain('insecure');
  });

  test('of a certificate that trusting would not mend names no setting', () => {
    expect(nextStep('certificate', { cause: coded('CERT_HAS_EXPIRED') })).not.toContain('caFile');
    expect(nextStep('certificate', { cause: coded('SELF_SIGNED_CERT_IN_CHAIN') })).toContain('caFile');
  });
});
