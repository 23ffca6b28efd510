import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { fuzz, FUZZ_TIMEOUT_MS } from '../support/fuzz.ts';
import { oddReview } from '../support/odd-reviews.ts';
import { admissionReview, barePod } from '../support/pods.ts';
import { refusePollution } from '../support/pollution.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';

// Bytes that are nearly a review, sent to the whole webhook over TLS.

let webhook: WebhookUnderTest;

beforeAll(async () => {
  webhook = await WebhookUnderTest.start();
  await webhook.registry.push('shop/web', '1.0', 'first');
});

afterEach(refusePollution);

afterAll(async () => {
  await webhook.stop();
});

const review = fc.oneof(
  oddReview,
  fc.constant(0).map(() => admissionReview(barePod({ name: 'web', image: webhook.image('1.0') }))),
);

/** Bytes put in, taken out or said twice. */
const edit = fc.record({
  place: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.nat(20),
  added: fc.oneof(
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        '{',
        '}',
        '[',
        ']',
        '"',
        ',',
        ':',
        '\\',
        '\\ud800',
        'null',
        '1e999',
        '-',
        '"__proto__":{},',
        '\0',
        '\ufeff',
      )
      .map((text) => Buffer.from(text)),
  ),
});

function applyEdit(
  body: Buffer,
  { place, removed, added }: { place: number; removed: number; added: Buffer },
): Buffer {
  const at = Math.floor(place * body.length);
  return Buffer.concat([body.subarray(0, at), added, body.subarray(at + removed)]);
}

const headers = fc.record(
  {
    'content-type': fc.constantFrom(
      'application/json',
      'application/json; charset=utf-8',
      'application/json; charset=utf-16',
      'application/json; charset="',
      'text/plain',
    ),
    'content-encoding': fc.constantFrom('identity', 'gzip', 'br', ''),
  },
  { requiredKeys: [] },
);
const path = fc.constantFrom(
  '/mutate?timeout=5s',
  '/mutate/allow?timeout=1ns',
  '/mutate/audit?timeout=x&timeout=y',
  '/mutate/enabled?__proto__[timeout]=1s',
);

test(
  'any bytes are answered with a class of 4xx, or with an AdmissionReview, and the webhook goes on',
  async () => {
    await fuzz(
      400,
      fc.asyncProperty(
        review,
        fc.array(edit, { maxLength: 3 }),
        fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, headers),
        path,
        async (made, edits, sent, to) => {
          const text = JSON.stringify(made) ?? '';
          const body = edits.reduce(applyEdit, Buffer.from(text));
          const answer = await webhook.post(to, body, sent);
          expect([200, 400, 413, 415]).toContain(answer.status);
          const json = JSON.parse(answer.text) as Record<string, unknown>;
          if (answer.status !== 200) {
            expect(json).toEqual({ error: expect.stringMatching(/^.{5,100}$/) });
            return;
          }
          expect(json).toMatchObject({ kind: 'AdmissionReview', response: { uid: expect.any(String) } });
          expect(answer.text).not.toContain('internal_error');
        },
      ),
    );
    expect(await webhook.admit(barePod({ name: 'web', image: webhook.image('1.0') }))).toEqual([
      expect.stringContaining('@sha256:'),
    ]);
    expect(webhook.logged.filter((line) => line.includes('internal_error'))).toEqual([]);
  },
  FUZZ_TIMEOUT_MS,
);
