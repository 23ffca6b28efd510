import type { ServerResponse } from 'node:http';
import { MIMEType } from 'node:util';
import type { Request, RequestHandler } from 'express';
import { limitOf, type WatchedLimits } from '../telemetry/limits.ts';
import { ByteBudget } from '../flight/byte-budget.ts';
import { receiveBody } from './receive-body.ts';

/** An object is 3 MiB at most in the API server, and a review may hold it twice; 8 MiB leaves room. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Braces, brackets and commas: `[{},{},…]` takes twenty times its own size once it is read. A Pod has far fewer. */
const MAX_MARKS = 500_000;
/** Bodies up to here are what Pods are; longer ones share the budgets. */
const ORDINARY_BYTES = 128 * 1024;
/** What long bodies may announce at once, however slowly they come: they cannot take the room of ordinary ones. */
const MAX_LONG_BYTES = 32 * 1024 * 1024;
/** What ordinary bodies may have sent so far: 1,000 connections could send 125 MiB otherwise, and then wait. */
const MAX_ORDINARY_BYTES = 32 * 1024 * 1024;
/**
 * What reviews that are being answered may take, as estimated: a third of the heap that the manifests give, since V8 needs
 * as much again for what is no longer used and not yet collected. The largest body fits.
 */
const MAX_READ_BYTES = 64 * 1024 * 1024;
/** How much of that goes to bodies as the worst that they can be, which takes four times what they are from whoever comes after. */
const MAX_UNCOUNTED_BYTES = MAX_READ_BYTES / 4;
/** The bytes, the text, and the texts in it: as long again each. */
const COPIES = 4;
/** Measured: a third more than `{}` takes in a list. */
const BYTES_PER_MARK = 64;

/** 1 for each byte that is a mark. */
const IS_MARK = new Uint8Array(256);
for (const byte of Buffer.from('{[,')) IS_MARK[byte] = 1;

/** A body that is not read: `status` and `message` are the answer. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
  readonly code = 'body_refused';
  readonly status: 400 | 413 | 415 | 429;

  constructor(status: BodyError['status'], message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Reads JSON bodies into `request.body`, and no more of them at once than there is memory for: neither one body nor many,
 * neither slow nor dense ones nor ones in little pieces, can end the process. Whoever is refused gets a {@link BodyError}.
 */
export function readBodies(): { readonly handler: RequestHandler; readonly limits: WatchedLimits } {
  const long = new ByteBudget(MAX_LONG_BYTES);
  const ordinary = new ByteBudget(MAX_ORDINARY_BYTES);
  const read = new ByteBudget(MAX_READ_BYTES);

  const receive = async (request: Request, response: ServerResponse): Promise<Buffer> => {
    // A body that does not say how long it is may be the longest.
    const maxBytes = Number(request.headers['content-length'] ?? MAX_BODY_BYTES);
    if (maxBytes > MAX_BODY_BYTES) throw tooLong();
    if (maxBytes > ORDINARY_BYTES) {
      hold(long, maxBytes, response);
      return receiveBody(request, { maxBytes, reserve: () => {}, tooMany: tooLong, brokenOff });
    }
    const shares: (() => void)[] = [];
    const reserve = (bytes: number): void => void shares.push(take(ordinary, bytes));
    try {
      return await receiveBody(request, { maxBytes, reserve, tooMany: tooLong, brokenOff });
    } finally {
      for (const giveBack of shares) giveBack();
    }
  };
  const check = (body: Buffer, response: ServerResponse): void => {
    // While there is room for the worst that it can be, nobody needs to know: counting takes as long as reading.
    const worst = body.length * (COPIES + BYTES_PER_MARK);
    if (body.length <= ORDINARY_BYTES && read.heldBytes + worst <= MAX_UNCOUNTED_BYTES) {
      return hold(read, worst, response);
    }
    const marks = countMarks(body);
    if (marks > MAX_MARKS) throw new BodyError(413, `the body has more than ${MAX_MARKS} values`);
    hold(read, body.length * COPIES + marks * BYTES_PER_MARK, response);
  };
  const handler: RequestHandler = async (request, response, next) => {
    checkHeaders(request);
    const body = await receive(request, response);
    check(body, response);
    request.body = parse(body);
    next();
  };
  const limits = {
    arriving_body_bytes: limitOf(
      () => long.heldBytes + ordinary.heldBytes,
      MAX_LONG_BYTES + MAX_ORDINARY_BYTES,
    ),
    read_body_bytes: limitOf(() => read.heldBytes, MAX_READ_BYTES),
  };
  return { handler, limits };
}

function checkHeaders(request: Request): void {
  const { 'content-type': type, 'content-encoding': encoding } = request.headers;
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw notPlain();
  // The API server always says the same; other spellings are rare.
  if (type === 'application/json') return;
  if (request.is('application/json') !== 'application/json')
    throw new BodyError(415, 'send an AdmissionReview with content-type application/json');
  if (charsetOf(type) !== 'utf-8') throw notPlain();
}

function charsetOf(type = ''): string {
  try {
    return (new MIMEType(type).params.get('charset') ?? 'utf-8').toLowerCase();
  } catch {
    return '';
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // What the parser says quotes the body.
    throw new BodyError(400, 'the body is not a JSON object');
  }
}

const notPlain = (): BodyError => new BodyError(415, 'send the body as it is, in UTF-8');
const tooLong = (): BodyError => new BodyError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
const brokenOff = (): BodyError => new BodyError(400, 'the body did not arrive whole');

function hold(budget: ByteBudget, bytes: number, response: ServerResponse): void {
  const giveBack = take(budget, bytes);
  if (response.closed) giveBack();
  else response.once('close', giveBack);
}

function take(budget: ByteBudget, bytes: number): () => void {
  const giveBack = budget.take(bytes);
  if (giveBack === undefined) throw new BodyError(429, 'too many large bodies at once');
  return giveBack;
}

/** By index and table: this takes a fifth of the time of a loop that compares. */
function countMarks(body: Buffer): number {
  let marks = 0;
  for (let index = 0; index < body.length; index += 1) marks += IS_MARK[body[index] ?? 0] ?? 0;
  return marks;
}
