import { ApiException, type V1Secret } from '@kubernetes/client-node';
import { expect, test } from '@jest/globals';
import { CertificateSecret } from '../../../src/kubernetes/certificate-secret.ts';
import { errorFields } from '../../../src/telemetry/log.ts';

const BUNDLE = { cert: 'cert', key: 'planted-key', trusted: 'ca' };

/** The Secret by an API server that answers every call with this status. */
function answering(status: number): CertificateSecret {
  return failing(new ApiException(status, 'planted-message', { planted: 'body' }, { planted: 'header' }));
}

/** The Secret by calls that all fail. */
function failing(error: Error): CertificateSecret {
  const answer = async (): Promise<V1Secret> => {
    throw error;
  };
  const api = {
    readNamespacedSecret: answer,
    createNamespacedSecret: answer,
    replaceNamespacedSecret: answer,
  };
  return new CertificateSecret(api, { namespace: 'samebytes', name: 'samebytes-tls' });
}

test('a Secret that cannot be changed any more is a problem that says what to do', async () => {
  await expect(answering(422).replace(BUNDLE, '1')).rejects.toMatchObject({
    code: 'unchangeable_secret',
    message: expect.stringContaining('kubectl -n samebytes delete secret samebytes-tls'),
  });
});

test('a Secret that is not there, is there already, or was changed meanwhile is no problem', async () => {
  expect(await answering(404).read()).toBeUndefined();
  expect(await answering(409).create(BUNDLE)).toBe(false);
  expect(await answering(409).replace(BUNDLE, '1')).toBe(false);
});

test.each([401, 403, 422, 500])(
  'of an answer with status %i nothing but the status is said',
  async (status) => {
    for (const call of [
      answering(status).read(),
      answering(status).create(BUNDLE),
      answering(status).replace(BUNDLE, '1'),
    ]) {
      const error: unknown = await call.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(JSON.stringify(errorFields(error))).not.toContain('planted');
      expect(error).toBeInstanceOf(Error);
    }
  },
);

test('an answer that is no JSON is not quoted', async () => {
  const cut = new SyntaxError('Unexpected end of JSON input in {"data":{"tls.key":"planted');
  const read = failing(cut).read();
  await expect(read).rejects.toMatchObject({ message: 'cannot read Secret samebytes/samebytes-tls' });
  const error: unknown = await read.catch((reason: unknown) => reason);
  expect(JSON.stringify(errorFields(error))).not.toContain('planted');
});

test('why there was no answer is told by its code', async () => {
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
  const error: unknown = await failing(refused)
    .read()
    .catch((reason: unknown) => reason);
  expect(JSON.stringify(errorFields(error))).toContain('ECONNREFUSED');
});
