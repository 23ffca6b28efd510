import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import { Deadline, decisionTimeMs } from '../admission/deadline.ts';
import type { Decider } from '../admission/decide.ts';
import type { Decision, Mode } from '../admission/outcome.ts';
import { overloadDecision } from '../admission/overload.ts';
import { responseText, type ResponseText } from '../admission/response.ts';
import { InvalidReviewError, readReview, type AdmissionRequest } from '../admission/review.ts';
import { Gate, GateError } from '../flight/gate.ts';
import { limitOf, type WatchedLimits } from '../telemetry/limits.ts';
import { NOT_WAITED, Waits, type Waited } from '../telemetry/waits.ts';
import { BodyError, readBodies } from './review-body.ts';

/** One admission request that was answered. */
export interface AdmissionEvent {
  /** Without the Pod, which may be megabytes: the event outlives the request. */
  readonly request: Pick<AdmissionRequest, 'uid' | 'operation' | 'namespace' | 'name' | 'dryRun'>;
  readonly mode: Mode;
  readonly decision: Decision;
  readonly durationMs: number;
  /** How much of that was spent waiting, and for whom. */
  readonly waited: Waited;
}

/** One HTTP request that was no admission request (a bad path, a bad body, a client that went away), or was not read. */
export interface BadRequestEvent {
  readonly outcome: 'invalid_review' | 'overloaded';
  readonly status: number;
  readonly message: string;
  readonly durationMs: number;
}

export interface WebhookAppOptions {
  readonly decider: Pick<Decider, 'known' | 'decide'>;
  /** The most that a decision may take, whatever the API server allows. */
  readonly maxDecisionMs: number;
  /** How many decisions may be made at once; others wait as long as they may take. */
  readonly maxConcurrentDecisions: number;
  readonly onAdmission: (event: AdmissionEvent) => void;
  readonly onBadRequest: (event: BadRequestEvent) => void;
  /** Told once what is limited. */
  readonly onLimits?: (limits: WatchedLimits) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Far more than there can be connections; whoever waits has room in memory already. */
const MAX_WAITING = 10_000;

const PATHS: Readonly<Record<string, Mode>> = {
  '/mutate/enabled': 'enabled',
  '/mutate/allow': 'allow',
  '/mutate/audit': 'audit',
  '/mutate': 'enabled',
};

/** The Express application that answers admission reviews. Never throws, never answers with a body of ours in HTML. */
export function createWebhookApp(options: WebhookAppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);
  const durationMs = ({ locals }: Timed): number => {
    const nowMs = options.now();
    return nowMs - (locals.startedAtMs ?? nowMs);
  };

  const refuse = (response: Timed, { status, message, outcome = 'invalid_review' }: Refusal): void => {
    options.onBadRequest({ outcome, status, message, durationMs: durationMs(response) });
    if (response.headersSent) return;
    response.status(status).json({ error: message });
  };

  const decisions = new Gate({ capacity: options.maxConcurrentDecisions, maxWaiting: MAX_WAITING });
  const decide = async (
    review: AdmissionRequest,
    mode: Mode,
    signal: AbortSignal,
    waits: Waits,
  ): Promise<Decision> => {
    let leave: () => void;
    try {
      leave = decisions.enterNow(1) ?? (await decisions.enter(1, signal));
    } catch (error) {
      if (error instanceof GateError) return overloadDecision(review, mode);
      throw error;
    }
    try {
      return await options.decider.decide(review, mode, signal, waits);
    } finally {
      leave();
    }
  };

  const finish = (
    response: Timed,
    review: AdmissionRequest,
    mode: Mode,
    decision: Decision,
    waited: Waited,
  ): void => {
    const { uid, operation, namespace, name, dryRun } = review;
    if (!response.closed) send(response, responseText(uid, decision, mode));
    const request = { uid, operation, namespace, name, dryRun };
    options.onAdmission({ request, mode, decision, durationMs: durationMs(response), waited });
  };

  const answer = async (mode: Mode, timeMs: number, request: Request, response: Timed): Promise<void> => {
    const review = readReview(request.body);
    const known = options.decider.known(review, mode);
    if (known !== undefined) return finish(response, review, mode, known, NOT_WAITED);
    const waits = new Waits(options.now);
    const deadline = new Deadline(timeMs - durationMs(response));
    response.once('close', () => {
      if (!response.writableFinished) deadline.callerGone();
    });
    try {
      const decision = await decide(review, mode, deadline.signal, waits);
      finish(response, review, mode, decision, waits.waited);
    } finally {
      deadline.done();
    }
  };

  const bodies = readBodies();
  options.onLimits?.({
    ...bodies.limits,
    decisions: limitOf(() => decisions.inside, options.maxConcurrentDecisions),
    decisions_waiting: limitOf(() => decisions.waiting, MAX_WAITING),
  });
  const start: RequestHandler = (request, response: Timed, next) => {
    response.locals.startedAtMs = options.now();
    return bodies.handler(request, response, next);
  };
  for (const [path, mode] of Object.entries(PATHS)) {
    const timeMsOf = rememberLast((request) =>
      decisionTimeMs(request.query['timeout'], options.maxDecisionMs),
    );
    app
      .route(path)
      .post(start, (request, response: Timed) => answer(mode, timeMsOf(request), request, response))
      .all((_request, response: Timed) => {
        response.set('allow', 'POST');
        refuse(response, { status: 405, message: 'only POST is answered here' });
      });
  }
  app.use((_request, response: Timed) =>
    refuse(response, { status: 404, message: 'the webhook answers at /mutate' }),
  );

  // Express tells error handlers by their four parameters.
  const onError: ErrorRequestHandler<Record<string, string>, unknown, unknown, unknown, Times> = (
    error: unknown,
    _request,
    response,
    _next,
  ) => {
    refuse(response, describe(error));
  };
  app.use(onError);
  return app;
}

/** The function, not called anew for a request with the URL of the last one: the API server asks each path by one URL. */
function rememberLast<T>(of: (request: Request) => T): (request: Request) => T {
  let last: { readonly url: string; readonly value: T } | undefined;
  return (request) => {
    const { url } = request;
    if (last?.url !== url) last = { url, value: of(request) };
    return last.value;
  };
}

/** As `response.json`, without its questions. Characters that are bytes need not be encoded, nor counted. */
function send(response: Timed, { json, isAscii }: ResponseText): void {
  const length = isAscii ? json.length : Buffer.byteLength(json);
  response.writeHead(200, ['content-type', 'application/json; charset=utf-8', 'content-length', `${length}`]);
  response.end(json, isAscii ? 'latin1' : 'utf8');
}

/** A response that knows when its request came. */
type Timed = Response<unknown, Times>;

interface Times {
  startedAtMs?: number;
}

interface Refusal {
  readonly status: number;
  readonly message: string;
  /** `invalid_review` where absent. */
  readonly outcome?: BadRequestEvent['outcome'];
}

/** What a body that cannot be read is answered with: the class of the fault, never a part of the body. */
function describe(error: unknown): Refusal {
  if (error instanceof InvalidReviewError) return { status: 400, message: error.message };
  if (error instanceof BodyError) {
    const { status, message } = error;
    return { status, message, outcome: status === 429 ? 'overloaded' : 'invalid_review' };
  }
  return { status: 400, message: 'the request cannot be read' };
}
