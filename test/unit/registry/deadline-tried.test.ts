import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { basicUser, identityOf } from '../../support/credentials.ts';
import { RegistryUnderTest } from '../../support/registry-under-test.ts';

test('a question that ends with its deadline tells whose credentials were sent, and no others', async () => {
  const under = await RegistryUnderTest.start({ deadlineMs: 300 });
  await under.registry.push('shop/web', '1.0', 'first');
  under.registry.intercept = async (request, response) => {
    if (request.method === 'PUT') return;
    // ann is refused at once; bob's question is never answered.
    if (basicUser(request.headers.authorization) === 'bob') await once(response, 'close');
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
  };
  const error = await under.failure('shop/web:1.0', identityOf('ann', 'bob', 'cem'));
  await under.stop();
  expect(error).toMatchObject({ code: 'unreachable' });
  expect(error.tried).toEqual(['Secret ann', 'Secret bob']);
});
