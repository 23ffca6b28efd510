import { describe, expect, test } from '@jest/globals';
import { createLog, errorFields } from '../../../src/telemetry/log.ts';
import { masked } from '../../../src/telemetry/redact.ts';
import { digest } from '../../support/digests.ts';

const SECRET = 'hunter2hunter2hunter2';
const JWT = `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIke30ifQ.${SECRET}`;

describe('a secret in a text is masked', () => {
  test.each([
    ['user and password of a URL', `https://ann:${SECRET}@r.test/v2/`, 'https://[masked]@r.test/v2/'],
    ['a password with an @', `https://ann:p@${SECRET}@r.test/v2/`, 'https://[masked]@r.test/v2/'],
    ['user and password before an image', `"ann:${SECRET}@r.test/web:1"`, '"[masked]@r.test/web:1"'],
    [
      'user and password before an image with a digest',
      `ann:p@${SECRET}@r.test:5000@${digest('a')}`,
      `[masked]@r.test:5000@${digest('a')}`,
    ],
    ['a token in the place of a user', `https://${SECRET}@r.test/`, 'https://[masked]@r.test/'],
    [
      'a signed URL',
      `GET https://s.test/blob?X-Amz-Signature=${SECRET}&X-Amz-Date=1`,
      'GET https://s.test/blob?X-Amz-Signature=[masked]&X-Amz-Date=[masked]',
    ],
    [
      'a token in a query',
      `/token?service=r.test&access_token=${SECRET}`,
      '/token?service=r.test&access_token=[masked]',
    ],
    ['a bearer token', `authorization: Bearer ${SECRET}`, 'authorization: Bearer [masked]'],
    ['Basic credentials', `basic ${Buffer.from(`ann:${SECRET}`).toString('base64')}`, 'basic [masked]'],
    ['a JSON Web Token', `token ${JWT} expired`, 'token [masked] expired'],
  ])('%s', (_what, text, expected) => {
    expect(masked(text)).toBe(expected);
    expect(masked(text)).not.toContain(SECRET);
  });
});

test.each([
  `registry.example.com:5000/shop/web:1.0@${digest('a')}`,
  `"web:1.0@${digest('a')}", nginx:1@${digest('b').replace('sha256', 'sha512')}`,
  'docker-pullable://r.test/web: for all Pods of web-5d8f: mail ann@r.test',
  'HEAD https://r.test/v2/shop/web/manifests/1.0 was answered with status 401',
  '/token?service=r.test&scope=repository:shop/web:pull',
  '/apis/samebytes.dev/v1alpha1/imagepins?watch=true&resourceVersion=7',
  'Basic authentication is asked for; a bearer token is not',
  'what? nothing & more = less',
  '2026-05-12T03:00:00.000Z',
])('%s stays as it is', (text) => {
  expect(masked(text)).toBe(text);
});

/** The line that this makes. */
const line = (fields: object, message = 'x'): string => {
  let written = '';
  const destination = { write: (text: string) => void (written += text) };
  createLog({ level: 'trace', pretty: false, destination }).warn(fields, message);
  return written;
};

describe('a line of the log', () => {
  test.each([
    ['a field of any name', { anything: `https://ann:${SECRET}@r.test` }],
    ['a field far below', { a: { b: { c: { d: [`Bearer ${SECRET}`] } } } }],
    ['an error’s message', { error: errorFields(new Error(`https://r.test/?sig=${SECRET}`)) }],
    ['an error’s cause', { error: errorFields(new Error('x', { cause: new Error(`token ${JWT}`) })) }],
    ['a text with quotes', { text: `{"url":"https://r.test/?sig=${SECRET}"}` }],
    ['an Error that nobody took apart', { err: new Error(`https://ann:${SECRET}@r.test`) }],
  ])('holds no secret in %s, and is JSON', (_where, fields) => {
    const written = line(fields);
    expect(written).not.toContain(SECRET);
    expect(written).toContain('[masked]');
    expect(JSON.parse(written)).toMatchObject({ level: 'warn', msg: 'x' });
  });

  test('holds no secret in its message', () => {
    expect(line({}, `https://ann:${SECRET}@r.test`)).not.toContain(SECRET);
  });
});
