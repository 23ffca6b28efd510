import { describe, expect, test } from '@jest/globals';
import { DeadlineError } from '../../../src/admission/failure.ts';
import { responseOf } from '../../../src/admission/response.ts';
import { REGISTRY_ERROR_CODES } from '../../../src/registry/errors.ts';
import { AdmissionUnderTest } from '../../support/deciding.ts';
import { digest } from '../../support/digests.ts';
import { admissionRequest, pod, type TestContainer } from '../../support/pods.ts';

const A = digest('a');
const WEB = 'docker.io/library/nginx:1';
const CACHE = 'docker.io/library/redis:7';

function underTest(): AdmissionUnderTest {
  const admission = new AdmissionUnderTest();
  admission.tags.set(WEB, A);
  admission.tags.set(CACHE, A);
  return admission;
}

function of(...containers: TestContainer[]): Record<string, unknown> {
  return pod({ spec: { containers } });
}

const BOTH = of({ name: 'web', image: 'nginx:1' }, { name: 'cache', image: 'redis:7' });

async function message(object: object, admission: AdmissionUnderTest): Promise<string> {
  const { decision } = await admission.admit(object);
  return decision.denial?.message ?? '';
}

describe('a Pod of which one image gets no digest is refused where pinning is enabled', () => {
  test.each([
    ['unreachable', 503],
    ['throttled', 503],
    ['denied', 403],
    ['not_found', 403],
    ['policy', 403],
    ['certificate', 403],
    ['forbidden_address', 403],
    ['invalid_answer', 403],
  ] as const)('%s, with code %d', async (code, status) => {
    const admission = underTest();
    admission.tags.fail(WEB, code);
    const { decision } = await admission.admit(BOTH);
    expect(decision).toMatchObject({ outcome: 'refused', patch: [], denial: { code: status } });
    expect(decision.images.map(({ result }) => result.is)).toEqual(['failed', 'pinned']);
    expect(decision.images[0]?.result).toMatchObject({ code });
  });

  test('and nothing of it is recorded, for another Pod may find another tag', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'unreachable');
    await admission.admit(BOTH);
    expect(admission.created).toEqual([]);
    admission.tags.set(WEB, A);
    admission.tags.set(CACHE, digest('b'));
    expect((await admission.admit(BOTH)).images).toEqual({
      web: `nginx@${A}`,
      cache: `redis@${digest('b')}`,
    });
  });

  test('with 403 where something must be mended and something else passes by itself', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'unreachable');
    admission.tags.fail(CACHE, 'not_found');
    expect((await admission.admit(BOTH)).decision.denial?.code).toBe(403);
  });

  test('when the deadline ends the waiting, with 503 and words of its own', async () => {
    const signal = AbortSignal.abort(new DeadlineError('no decision after 3000 ms'));
    const decision = await underTest().decide(admissionRequest(BOTH), 'enabled', signal);
    expect(decision).toMatchObject({ outcome: 'refused', denial: { code: 503 } });
    expect(decision.denial?.message).toContain('no answer from the registry in time');
    expect(decision.images[0]?.result).toMatchObject({ is: 'failed', code: 'deadline' });
  });

  test('but not once its revision is known: then no registry is asked', async () => {
    const admission = underTest();
    await admission.admit(BOTH);
    admission.tags.fail(WEB, 'unreachable');
    admission.tags.fail(CACHE, 'unreachable');
    expect((await admission.admit(BOTH)).images).toEqual({ web: `nginx@${A}`, cache: `redis@${A}` });
  });

  test('also when it is a dry run', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'unreachable');
    expect((await admission.admit(BOTH, { dryRun: true })).decision.outcome).toBe('refused');
  });
});

describe('the message of a denial', () => {
  test('names the image as written, the class and the next step', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'not_found');
    const text = await message(BOTH, admission);
    expect(text).toMatch(/^samebytes: cannot pin image "nginx:1" \(docker\.io\): /);
    expect(text).toContain('the registry has no such tag; push it, or correct the image');
  });

  test('names each image that failed once, and none that did not', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, 'unreachable');
    const object = of(
      { name: 'a', image: 'nginx:1' },
      { name: 'b', image: 'nginx:1' },
      { name: 'c', image: 'redis:7' },
    );
    const text = await message(object, admission);
    expect(text.match(/nginx:1/g)).toHaveLength(1);
    expect(text).not.toContain('redis');
  });

  test('stays short for a thousand images that fail', async () => {
    const containers = Array.from({ length: 1_000 }, (_, index) => ({
      name: `c${index}`,
      image: `gone:${index}`,
    }));
    const text = await message(of(...containers), underTest());
    expect(text).toMatch(/and 995 more images$/);
    expect(text.length).toBeLessThan(2_000);
  });

  test('names no image of a Pod that has more different ones than any Pod: none is looked up', async () => {
    const containers = Array.from({ length: 1_001 }, (_, index) => ({
      name: `c${index}`,
      image: `gone:${index}`,
    }));
    const admission = underTest();
    expect(await message(of(...containers), admission)).toMatch(/more than 1000 different images$/);
    expect(admission.tags.asked).toEqual([]);
  });

  test.each(REGISTRY_ERROR_CODES)(
    'after %s holds nothing of what the registry or the network said',
    async (code) => {
      const admission = underTest();
      admission.tags.fail(WEB, code);
      const { decision } = await admission.admit(BOTH);
      const answer = JSON.stringify(responseOf('request-1', decision, 'enabled'));
      expect(answer).not.toMatch(/ECONNREFUSED|10\.0\.0\.7/);
      expect(answer).not.toMatch(/retryAfter/);
    },
  );

  test('after a fault of our own says nothing of it either', async () => {
    const admission = underTest();
    admission.tags.fail(WEB, new TypeError('secret is not a function'));
    const { decision } = await admission.admit(BOTH);
    expect(decision.denial?.message).toContain('"nginx:1" (docker.io): samebytes failed');
    expect(JSON.stringify(responseOf('request-1', decision, 'enabled'))).not.toContain('secret');
  });
});
