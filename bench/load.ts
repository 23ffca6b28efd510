import { loadavg } from 'node:os';
import autocannon from 'autocannon';
import { answerCalls } from './calls.ts';
import { reviewBody, type PodsToSend } from './reviews.ts';

// The load generator, in a process of its own.

/** One load on one webhook. */
export interface Load {
  readonly url: string;
  readonly pods: PodsToSend;
  readonly requests: number;
  readonly atOnce: number;
  /** A new connection for every request, all at the same instant; else connections are kept. */
  readonly newConnections?: boolean;
}

/** How a load went. */
export interface LoadResult {
  readonly requests: number;
  /** Admissions that were allowed and pin every image. */
  readonly pinned: number;
  readonly allowed: number;
  readonly denied: number;
  /** No answer, or none with status 200. */
  readonly failed: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstMs: number;
  /** Of the last minute, before the load: others may use this machine, too. */
  readonly loadAverage: number;
}

const ANSWER_TIMEOUT_SECONDS = 30;
/** How often autocannon looks whether all is sent, in milliseconds. */
const LOOK_MS = 20;
/** The patch is Base64 in the answer. */
const BEFORE_PATCH = '"patch":"';
/** `@sha256:` and its digits, in Base64: a patch with less pins nothing, whatever else it does. */
const DIGEST_LENGTH = ((8 + 64) / 3) * 4;

answerCalls({ run });

async function run({ url, pods, requests, atOnce, newConnections = false }: Load): Promise<LoadResult> {
  const bodies = Array.from({ length: Math.min(requests, pods.revisions) }, (_, n) => reviewBody(pods, n));
  const [loadAverage = 0] = loadavg();
  const timesMs: number[] = [];
  const counts = { pinned: 0, allowed: 0, denied: 0 };
  let sent = 0;
  const startedAt = performance.now();
  let endedAt = startedAt;
  const done = Promise.withResolvers<void>();
  const options: autocannon.Options = {
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    connections: newConnections ? requests : Math.min(atOnce, requests),
    amount: requests,
    timeout: ANSWER_TIMEOUT_SECONDS,
    sampleInt: LOOK_MS,
    requests: [
      {
        setupRequest: (request) => ({ ...request, body: bodies[sent++ % bodies.length] ?? '' }),
        onResponse: (status, body) => {
          if (status === 200) count(counts, body, pods.containers);
        },
      },
    ],
  };
  const instance = autocannon(options, (error: unknown) => {
    if (error instanceof Error) done.reject(error);
    else done.resolve();
  });
  instance.on('response', (_client, _status, _bytes, timeMs) => {
    timesMs.push(timeMs);
    endedAt = performance.now();
  });
  await done.promise;
  const seconds = (endedAt - startedAt) / 1_000;
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.ceil(sorted.length * part) - 1] ?? 0;
  return {
    requests,
    ...counts,
    failed: requests - counts.allowed - counts.denied,
    seconds,
    perSecond: timesMs.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    firstMs: timesMs[0] ?? 0,
    loadAverage,
  };
}

function patchIn(body: string): string {
  const start = body.indexOf(BEFORE_PATCH);
  if (start === -1) return '';
  return body.slice(start + BEFORE_PATCH.length, body.indexOf('"', start + BEFORE_PATCH.length));
}

function count(
  counts: { pinned: number; allowed: number; denied: number },
  body: string,
  containers: number,
): void {
  if (!body.includes('"allowed":true')) {
    counts.denied += 1;
    return;
  }
  counts.allowed += 1;
  const patch = patchIn(body);
  // Looking into every patch would cost the load generator more than the webhook; its length says enough.
  const isPinned =
    counts.allowed % 50 === 1
      ? Buffer.from(patch, 'base64').toString().split('@sha256:').length - 1 >= containers
      : patch.length >= containers * DIGEST_LENGTH;
  if (isPinned) counts.pinned += 1;
}
