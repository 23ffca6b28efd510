import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { admissionReview, barePod, ownedBy, pod } from '../support/pods.ts';
import { patched, WebhookUnderTest } from '../support/running-webhook.ts';

// One decision after another through the real server: paths, modes, deadlines, and what is left to see.

let webhook: WebhookUnderTest;

beforeEach(async () => {
  webhook = await WebhookUnderTest.start();
});

afterEach(async () => {
  await webhook.stop();
});

function missing(): object {
  return barePod({ name: 'web', image: webhook.image('missing') });
}

test('the original reference stays visible in the annotation samebytes.dev/images', async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const created = pod({ spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] } });
  const admitted = patched(created, await webhook.review(admissionReview(created)));
  expect(JSON.parse(admitted.metadata.annotations['samebytes.dev/images'] ?? '')).toEqual({
    web: { reference: webhook.image('1.0'), digest },
  });
});

test('/mutate means enabled: a tag that is not there refuses the Pod', async () => {
  for (const path of ['/mutate', '/mutate/enabled']) {
    const { allowed, status } = await webhook.review(admissionReview(missing()), path);
    expect(allowed).toBe(false);
    expect(status).toMatchObject({ code: 403, message: expect.stringContaining('no such tag') });
  }
});

test('/mutate/allow admits what cannot be pinned, with a warning, and pins the rest', async () => {
  await webhook.registry.push('shop/web', '1.0', 'first');
  const created = barePod(
    { name: 'web', image: webhook.image('1.0') },
    { name: 'other', image: webhook.image('missing') },
  );
  const response = await webhook.review(admissionReview(created), '/mutate/allow?timeout=5s');
  expect(response.allowed).toBe(true);
  expect(response.warnings).toEqual([expect.stringContaining('not pinned: the registry has no such tag')]);
  const { containers } = patched(created, response).spec;
  expect(containers[0]?.image).toContain('@sha256:');
  expect(containers[1]?.image).toBe(webhook.image('missing'));
});

test('/mutate/audit says what it would do and changes nothing', async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const created = pod({ spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] } });
  const would = await webhook.review(admissionReview(created), '/mutate/audit?timeout=5s');
  expect(would.allowed).toBe(true);
  expect(would.patch).toBeUndefined();
  expect(would.warnings?.[0]).toContain(`would pin web: "${webhook.image('1.0')}" to ${digest}`);
  expect(would.auditAnnotations).toMatchObject({ outcome: 'would_pin' });
  expect(await webhook.metric('samebytes_pins_created_total')).toBe(0);

  const refused = await webhook.review(admissionReview(missing()), '/mutate/audit');
  expect(refused.allowed).toBe(true);
  expect(refused.auditAnnotations).toMatchObject({ outcome: 'would_refuse' });
});

test('a dry run is answered like a real one and leaves no pin behind', async () => {
  const first = await webhook.registry.push('shop/web', '1.0', 'first');
  const created = pod({ spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] } });
  const dry = await webhook.review(admissionReview(created, { dryRun: true }));
  expect(patched(created, dry).spec.containers[0]?.image).toContain(first);
  const second = await webhook.registry.push('shop/web', '1.0', 'second');
  expect(await webhook.admit(created)).toEqual([`${webhook.registry.host}/shop/web@${second}`]);
});

test('the answer leaves before the time-out that the API server sends, also when the registry hangs', async () => {
  webhook.registry.intercept = () => new Promise(() => {});
  const created = pod({ spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] } });
  const { allowed, status } = await webhook.review(admissionReview(created), '/mutate/enabled?timeout=1s');
  expect(allowed).toBe(false);
  expect(status).toMatchObject({
    code: 503,
    message: expect.stringContaining('no answer from the registry in time'),
  });
});

test("a registry that asks for a token gets one request for it, and the Pod's author hears nothing of it", async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  let tokens = 0;
  webhook.registry.intercept = (request, response) => {
    if (request.url?.startsWith('/token')) {
      tokens += 1;
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ token: 'sesame-4711' }));
    } else if (request.headers.authorization !== 'Bearer sesame-4711') {
      const realm = `http://${webhook.registry.host}/token`;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="test"` }).end();
    }
  };
  const pods = ['rs-1', 'rs-2', 'rs-3'].map((uid) =>
    pod({
      metadata: { ownerReferences: [ownedBy('ReplicaSet', uid)] },
      spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] },
    }),
  );
  for (const created of pods) {
    expect(await webhook.admit(created)).toEqual([`${webhook.registry.host}/shop/web@${digest}`]);
  }
  expect(tokens).toBe(1);
  expect(webhook.logged.join('')).not.toContain('sesame');
});

test('every decision is one log line, with request, owner, outcome and where each digest came from', async () => {
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const created = pod({ spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] } });
  await webhook.admit(created);
  await webhook.admit(created);
  const lines = await webhook.admissionsLogged();
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({
    level: 'info',
    uid: 'request-1',
    namespace: 'shop',
    owner: 'ReplicaSet/web',
    mode: 'enabled',
    outcome: 'pinned',
    images: [{ container: 'web', reference: webhook.image('1.0'), is: 'pinned', digest, source: 'registry' }],
  });
  expect(lines[1]?.images[0]).toMatchObject({ source: 'pin' });
});

test('a refusal is logged with its cause, which the Pod author is not told', async () => {
  await webhook.registry.stop();
  const response = await webhook.review(admissionReview(missing()));
  expect(JSON.stringify(response)).not.toContain('ECONNREFUSED');
  const [line] = await webhook.admissionsLogged();
  expect(line).toMatchObject({ level: 'warn', outcome: 'refused' });
  expect(JSON.stringify(line)).toContain('ECONNREFUSED');
});

test('admissions and cache requests are counted in /metrics', async () => {
  await webhook.registry.push('shop/web', '1.0', 'first');
  const created = pod({ spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] } });
  for (let count = 0; count < 5; count += 1) await webhook.admit(created);
  expect(await webhook.metric('samebytes_admissions_total{outcome="pinned"}')).toBe(5);
  expect(await webhook.metric('samebytes_cache_requests_total{cache="pin",result="hit"}')).toBe(4);
  expect(await webhook.metric('samebytes_cache_requests_total{cache="pin",result="miss"}')).toBe(1);
  const sample = `samebytes_registry_requests_total{registry="${webhook.registry.host}",method="HEAD",code="200"}`;
  expect(await webhook.metric(sample)).toBe(1);
  expect(await webhook.metric('samebytes_admission_duration_seconds_count')).toBe(5);
});

test('a new certificate is served within moments, and connections that are open go on', async () => {
  await webhook.registry.push('shop/web', '1.0', 'first');
  const created = pod({ spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] } });
  await webhook.admit(created);
  await webhook.renewCertificate();
  while (!webhook.logged.some((line) => line.includes('serving certificate renewed'))) {
    await webhook.admit(created);
  }
  webhook.trustCa();
  expect(await webhook.admit(created)).toHaveLength(1);
});
