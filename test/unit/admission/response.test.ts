import { describe, expect, test } from '@jest/globals';
import type { Decision, ImageDecision } from '../../../src/admission/outcome.ts';
import { responseOf, responseText } from '../../../src/admission/response.ts';
import { digest } from '../../support/digests.ts';
import type { ReviewResponse } from '../../support/running-webhook.ts';

const DECISION: Decision = { outcome: 'pinned', patch: [], warnings: [], images: [], optOutsRefused: 0 };

function respond(decision: Partial<Decision>): ReviewResponse {
  return responseOf('request-1', { ...DECISION, ...decision }, 'enabled')['response'] as ReviewResponse;
}

function pinnedImage(container: string): ImageDecision {
  return { container, reference: 'nginx:1', result: { is: 'pinned', digest: digest('a'), source: 'pin' } };
}

describe('a response', () => {
  test('is an AdmissionReview v1 for the request that was asked', () => {
    expect(responseOf('request-1', DECISION, 'enabled')).toEqual({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'request-1', allowed: true, auditAnnotations: { outcome: 'pinned' } },
    });
  });

  test('carries the patch as JSON in base64', () => {
    const patch = [{ op: 'replace', path: '/spec/containers/0/image', value: 'nginx@ü' }] as const;
    const { patchType, patch: text = '' } = respond({ patch });
    expect(patchType).toBe('JSONPatch');
    expect(text).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(JSON.parse(Buffer.from(text, 'base64').toString('utf8'))).toEqual(patch);
  });

  test('has no fields for a patch or warnings where there are none', () => {
    const response = respond({});
    expect(response).not.toHaveProperty('patch');
    expect(response).not.toHaveProperty('patchType');
    expect(response).not.toHaveProperty('warnings');
    expect(response).not.toHaveProperty('status');
  });
});

describe('a denial', () => {
  test.each([
    [403, 'Forbidden'],
    [503, 'ServiceUnavailable'],
  ] as const)('with code %d has the reason %s, which clients read instead of the code', (code, reason) => {
    const response = respond({ outcome: 'refused', denial: { code, message: 'no' } });
    expect(response.allowed).toBe(false);
    expect(response.status).toMatchObject({ status: 'Failure', code, reason, message: 'no' });
  });

  test('cannot steer a terminal: names in it are as the Pod has them', () => {
    const message = 'Secret "x\u001B[2J\u009B31m\u202E" does not exist';
    const response = respond({ outcome: 'refused', denial: { code: 403, message }, warnings: [message] });
    expect(response.status?.message).toBe('Secret "x [2J 31m " does not exist');
    expect(response.warnings).toEqual(['samebytes: Secret "x [2J 31m " does not exist']);
  });

  test('never says when to try again, which would hold the worker of a controller', () => {
    const response = respond({ outcome: 'refused', denial: { code: 503, message: 'no' } });
    expect(JSON.stringify(response)).not.toMatch(/retryAfter/i);
    expect(response.status).not.toHaveProperty('details');
  });
});

describe('audit annotations', () => {
  const result = { is: 'failed', code: 'denied', error: new Error('secret') } as const;
  const images: ImageDecision[] = [
    pinnedImage('web'),
    { container: 'log', reference: 'log:1', result: { is: 'left', reason: 'policy_off' } },
    { container: 'volume/data', reference: 'data:1', result },
  ];

  test('say what became of each image', () => {
    expect(respond({ outcome: 'admitted_unpinned', images }).auditAnnotations).toEqual({
      outcome: 'admitted_unpinned',
      images:
        `web: nginx:1 -> ${digest('a')} (pin); ` +
        'log: log:1 left alone (policy_off); volume/data: data:1 failed (denied)',
    });
  });

  test('have no slash in their keys, since the API server puts a name and a slash in front', () => {
    for (const key of Object.keys(respond({ images }).auditAnnotations ?? {}))
      expect(key).toMatch(/^[a-z-]+$/);
  });

  test('hold no password that somebody wrote into an image: the audit log may be kept without the Pods', () => {
    const written = [
      'https://ann:hunter2@r.test/web:1',
      'ann:hunter2@r.test/web:1',
      'r.test/web:1?token=hunter2',
    ];
    const left = written.map((reference) => ({
      container: 'web',
      reference,
      result: { is: 'left', reason: 'invalid_reference' } as const,
    }));
    const text = respond({ outcome: 'left_alone', images: left }).auditAnnotations?.['images'];
    expect(text).not.toContain('hunter2');
    expect(text).toContain('r.test/web:1');
  });

  test('stay small for a Pod of a thousand containers', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => pinnedImage(`container-${index}`));
    const text = respond({ images: many }).auditAnnotations?.['images'] ?? '';
    expect(text.length).toBeGreaterThan(1_000);
    expect(text.length).toBeLessThanOrEqual(8_192);
    expect(text.endsWith('…')).toBe(true);
  });

  test('are cut between characters, not inside of one', () => {
    const text =
      respond({ images: [pinnedImage('\u{1f600}'.repeat(10_000))] }).auditAnnotations?.['images'] ?? '';
    expect(Array.from(text)).toHaveLength(8_192);
    expect(text.isWellFormed()).toBe(true);
  });

  test('name no image where none was looked at', () => {
    const failed = { container: '', reference: '', result };
    expect(respond({ outcome: 'internal_error', images: [failed] }).auditAnnotations).toEqual({
      outcome: 'internal_error',
    });
  });
});

describe('the text of a response', () => {
  const images = [pinnedImage('web')];
  const patch = [{ op: 'replace', path: '/spec/containers/0/image', value: 'nginx@ü' }] as const;

  test.each<[string, string, Partial<Decision>]>([
    ['a plain uid', 'request-1', { images, patch }],
    ['a uid that needs escapes', '"\\\n\u0000', { images, patch }],
    ['a uid beyond ASCII', 'ü\ud83d\ude00', { images, patch }],
    ['half a character for a uid', '\ud83d', { images, patch }],
    ['a container beyond ASCII', 'request-1', { images: [pinnedImage('wéb')], patch }],
    ['a warning', 'request-1', { images, patch, warnings: ['look: ü'] }],
    ['nothing in it', 'request-1', {}],
  ])('of a repeated decision is that of any other, for %s', (_what, uid, fields) => {
    const decision = { ...DECISION, ...fields };
    const once = responseText(uid, decision, 'enabled');
    const repeated: Decision = { ...decision, isRepeated: true };
    expect(JSON.parse(once.json)).toEqual(responseOf(uid, decision, 'enabled'));
    for (let time = 0; time < 3; time += 1) expect(responseText(uid, repeated, 'enabled')).toEqual(once);
  });

  test('is said to be ASCII where it is, since its length is counted in characters then', () => {
    const repeated: Decision = { ...DECISION, images, isRepeated: true };
    const texts = ['request-1', 'ü'].flatMap((uid) => [
      responseText(uid, DECISION, 'enabled'),
      responseText(uid, repeated, 'enabled'),
    ]);
    for (const { json, isAscii } of texts) expect(isAscii).toBe(json.length === Buffer.byteLength(json));
    expect(texts.map(({ isAscii }) => isAscii)).toEqual([true, true, false, false]);
  });
});
