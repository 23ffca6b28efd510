import { afterEach, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { MODES, type Decision, type Mode } from '../../src/admission/outcome.ts';
import { podImages, type PodImage } from '../../src/admission/pod-images.ts';
import { responseOf } from '../../src/admission/response.ts';
import { InvalidReviewError, readReview, type AdmissionRequest } from '../../src/admission/review.ts';
import { isDigest } from '../../src/image/digest.ts';
import { AdmissionUnderTest, patchedPod } from '../support/deciding.ts';
import { fuzz, FUZZ_TIMEOUT_MS } from '../support/fuzz.ts';
import { KNOWN_TAGS, oddReview } from '../support/odd-reviews.ts';
import { refusePollution } from '../support/pollution.ts';

function admissionUnderTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest({ pullPolicy: 'ifNotPresent' });
  for (const [name, digest] of Object.entries(KNOWN_TAGS)) admission.tags.set(name, digest);
  return admission;
}

function read(body: unknown): AdmissionRequest | undefined {
  try {
    return readReview(body);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidReviewError);
    expect((error as Error).message).toMatch(/^.{5,100}$/);
    return undefined;
  }
}

afterEach(refusePollution);

test(
  'any review is refused as none, or decided: never by an accident, never letting an image slip through',
  async () => {
    await fuzz(
      1_500,
      fc.asyncProperty(oddReview, fc.constantFrom(...MODES), async (body, mode) => {
        const request = read(body);
        if (request === undefined) return;
        const before = JSON.stringify(request);
        const decision = await admissionUnderTest().decide(request, mode);
        expect(JSON.stringify(request)).toBe(before);
        expect(decision.outcome).not.toBe('internal_error');
        expectWellFormed(request, decision, mode);
        if (mode === 'audit') expect([decision.patch, decision.denial]).toEqual([[], undefined]);
        else if (decision.denial === undefined) expectSafePatch(request, decision);
      }),
    );
  },
  FUZZ_TIMEOUT_MS,
);

/** What the API server takes: apiserver pkg/admission/plugin/webhook/request/admissionreview.go. */
function expectWellFormed({ uid }: AdmissionRequest, decision: Decision, mode: Mode): void {
  const answer = JSON.parse(JSON.stringify(responseOf(uid, decision, mode))) as {
    response: { uid: string; allowed: boolean; status?: object; patch?: string; warnings?: string[] };
  };
  const { allowed, status, patch, warnings = [] } = answer.response;
  expect(answer.response.uid).toBe(uid);
  expect(allowed).toBe(decision.denial === undefined);
  if (!allowed) {
    expect(patch).toBeUndefined();
    expect(status).toMatchObject({ message: expect.stringMatching(/^samebytes/) });
    expect([403, 503]).toContain(decision.denial?.code);
  }
  for (const warning of warnings) expect(Array.from(warning).length).toBeLessThanOrEqual(256);
}

/** The patch applies, changes images and our annotations only, and leaves no tag without saying so. */
function expectSafePatch(request: AdmissionRequest, { outcome, patch, images }: Decision): void {
  const { object } = request;
  if (object === undefined || ['ignored', 'mirror_pod'].includes(outcome)) {
    expect(patch).toEqual([]);
    return;
  }
  const after = patchedPod(object, patch) as unknown as Record<string, unknown>;
  expect(withoutOurs(after)).toEqual(withoutOurs(object));

  const said = new Set(
    images.filter(({ result }) => result.is !== 'pinned').map(({ container }) => container),
  );
  const slipped = podImages(after).filter(
    (image) => image.image !== '' && !hasDigest(image) && !said.has(image.name),
  );
  // An update looks at what it changes only.
  if (request.operation === 'CREATE') expect(slipped).toEqual([]);
  const known = new Set<string>(Object.values(KNOWN_TAGS));
  for (const [index, image] of podImages(after).entries()) {
    const old = podImages(object)[index];
    if (image.image === old?.image) continue;
    const [, digest = ''] = image.image.split('@');
    const recorded = JSON.stringify(request.oldObject ?? {}).includes(digest);
    expect(known.has(digest) || recorded).toBe(true);
  }
}

function hasDigest({ image }: PodImage): boolean {
  const at = image.indexOf('@');
  return at !== -1 && isDigest(image.slice(at + 1));
}

/** The Pod without the fields that we may change. */
function withoutOurs(object: object): unknown {
  const copy = structuredClone(object) as Record<string, unknown>;
  for (const { imagePath, pullPolicyPath } of podImages(copy))
    for (const path of [imagePath, pullPolicyPath]) removeAt(copy, path.split('/').slice(1));
  const metadata = copy['metadata'];
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    delete copy['metadata'];
    return copy;
  }
  const fields = metadata as Record<string, unknown>;
  const annotations = fields['annotations'];
  if (typeof annotations !== 'object' || annotations === null || Array.isArray(annotations)) {
    delete fields['annotations'];
    return dropEmpty(copy);
  }
  const texts = annotations as Record<string, unknown>;
  delete texts['samebytes.dev/images'];
  delete texts['samebytes.dev/left-alone'];
  if (Object.keys(texts).length === 0) delete fields['annotations'];
  return dropEmpty(copy);
}

function dropEmpty(copy: Record<string, unknown>): Record<string, unknown> {
  if (Object.keys(copy['metadata'] as object).length === 0) delete copy['metadata'];
  return copy;
}

function removeAt(value: unknown, path: readonly string[]): void {
  const [key = '', ...rest] = path;
  const fields = value as Record<string, unknown>;
  if (rest.length === 0) delete fields[key];
  else removeAt(fields[key], rest);
}
