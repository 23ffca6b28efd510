import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { afterEach, expect, test } from '@jest/globals';
import { ownedBy, pod, admissionReview } from '../support/pods.ts';
import { until } from '../support/until.ts';
import { WebhookUnderTest, type ReviewResponse } from '../support/running-webhook.ts';

// More at once than there is room for: whoever waits is answered in time, as the failure table says, and nothing is dropped.

let webhook: WebhookUnderTest;

afterEach(async () => webhook.stop());

function replica(revision: string): object {
  return pod({
    metadata: { ownerReferences: [ownedBy('ReplicaSet', revision)] },
    spec: { containers: [{ name: 'web', image: webhook.image('1.0') }] },
  });
}

async function review(revision: string, mode: string, timeout: string): Promise<ReviewResponse> {
  return webhook.review(admissionReview(replica(revision)), `/mutate/${mode}?timeout=${timeout}`);
}

/** Holds the registry's answers; resolves when the first question has come. */
function holdRegistry(): { asked: Promise<void>; release: () => void } {
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  webhook.registry.intercept = async () => {
    asked.resolve();
    await held.promise;
  };
  return { asked: asked.promise, release: held.resolve };
}

test('whoever finds no room in time is refused, admitted with a warning, or left alone, as the mode says; kubectl debug is never refused', async () => {
  webhook = await WebhookUnderTest.start({ webhook: { maxConcurrentDecisions: 1 } });
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const { asked, release } = holdRegistry();
  const inside = review('rs-inside', 'enabled', '30s');
  await asked;

  const enabled = await review('rs-1', 'enabled', '100ms');
  expect(enabled.status).toMatchObject({ code: 503, reason: 'ServiceUnavailable' });
  expect(enabled.status?.message).toMatch(/^samebytes is overloaded.*try again/);
  expect(enabled.status?.retryAfterSeconds).toBeUndefined();
  const allow = await review('rs-2', 'allow', '100ms');
  expect(allow).toMatchObject({ allowed: true, warnings: [expect.stringContaining('overloaded')] });
  expect(allow.patch).toBeUndefined();
  const audit = await review('rs-3', 'audit', '100ms');
  expect(audit).toMatchObject({ allowed: true, auditAnnotations: { outcome: 'overloaded' } });
  expect(audit.warnings).toBeUndefined();
  const debugged = {
    ...replica('rs-4'),
    spec: { containers: [], ephemeralContainers: [{ name: 'debug', image: 'busybox' }] },
  };
  const fields = { operation: 'UPDATE', subResource: 'ephemeralcontainers', oldObject: replica('rs-4') };
  const debug = await webhook.review(admissionReview(debugged, fields), '/mutate/enabled?timeout=100ms');
  expect(debug).toMatchObject({ allowed: true, warnings: [expect.stringContaining('not pinned')] });
  expect(await webhook.metric('samebytes_admissions_total{outcome="overloaded"}')).toBe(4);
  expect(webhook.registry.manifestRequests).toHaveLength(1);

  release();
  expect((await inside).allowed).toBe(true);
  expect(await webhook.admit(replica('rs-1'))).toEqual([`${webhook.registry.host}/shop/web@${digest}`]);
});

test('whoever finds room in time is answered as if there had been no line', async () => {
  webhook = await WebhookUnderTest.start({ webhook: { maxConcurrentDecisions: 2 } });
  const digest = await webhook.registry.push('shop/web', '1.0', 'first');
  const images = await Promise.all(
    Array.from({ length: 100 }, (_, index) => webhook.admit(replica(`rs-${index % 20}`))),
  );
  expect(new Set(images.flat())).toEqual(new Set([`${webhook.registry.host}/shop/web@${digest}`]));
  expect(await webhook.metric('samebytes_admissions_total{outcome="pinned"}')).toBe(100);
});

test('connections past the limit are closed at once, and the others go on', async () => {
  webhook = await WebhookUnderTest.start({ webhook: { maxConnections: 5 } });
  await webhook.registry.push('shop/web', '1.0', 'first');
  const sockets = Array.from({ length: 10 }, () => {
    const socket = tlsConnect({
      port: webhook.port,
      host: '127.0.0.1',
      ca: webhook.ca,
      servername: 'localhost',
    });
    socket.on('error', () => {});
    return socket;
  });
  const open = (): TLSSocket[] => sockets.filter((socket) => socket.authorized && !socket.destroyed);
  await until(
    'all sockets to be open or closed',
    () => open().length + sockets.filter((s) => s.destroyed).length === 10,
  );
  expect(open()).toHaveLength(5);
  for (const socket of sockets) socket.destroy();
  await until('room for another', async () => (await webhook.admit(replica('rs-1'))).length === 1);
});
