import { once } from 'node:events';
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

test('whoever finds no room in time is refused, admitted with a warning, or left alone, as the mode says', async () => {
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
  expect(await webhook.metric('samebytes_admissions_total{outcome="overloaded"}')).toBe(3);
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

test('bodies that are announced and do not come keep nobody out for longer than a decision may take', async () => {
  const maxBodyBytesAtOnce = 8 * 1024 * 1024;
  webhook = await WebhookUnderTest.start({ webhook: { maxBodyBytesAtOnce, maxDecisionMs: 500 } });
  await webhook.registry.push('shop/web', '1.0', 'first');
  const slow = await announceBody(maxBodyBytesAtOnce);
  const closed = once(slow, 'close');
  // There is no room for its body now: the request waits unread, and without a uid there is no review to answer.
  const answer = await webhook.post(
    '/mutate/enabled?timeout=100ms',
    JSON.stringify(admissionReview(replica('rs-1'))),
  );
  expect(answer.status).toBe(503);
  expect(JSON.parse(answer.text)).toEqual({ error: 'samebytes is overloaded' });
  await closed;
  expect(await webhook.admit(replica('rs-1'))).toHaveLength(1);
});

test('bodies of 8 MiB are read one after another where there is room for one', async () => {
  webhook = await WebhookUnderTest.start({ webhook: { maxBodyBytesAtOnce: 8 * 1024 * 1024 } });
  await webhook.registry.push('shop/web', '1.0', 'first');
  const padded = { ...replica('rs-1'), padding: 'x'.repeat(8 * 1024 * 1024 - 4_096) };
  const answers = await Promise.all(Array.from({ length: 8 }, () => webhook.admit(padded)));
  expect(answers).toHaveLength(8);
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

/** Sends the head of a request whose body never comes; resolves when the webhook waits for it. */
async function announceBody(bytes: number): Promise<TLSSocket> {
  const socket = tlsConnect({
    port: webhook.port,
    host: '127.0.0.1',
    ca: webhook.ca,
    servername: 'localhost',
  });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const head = [
    'POST /mutate/enabled?timeout=30s HTTP/1.1',
    'host: localhost',
    'content-type: application/json',
  ];
  socket.write([...head, 'expect: 100-continue', `content-length: ${bytes}`, '', ''].join('\r\n'));
  await once(socket, 'data');
  return socket;
}
