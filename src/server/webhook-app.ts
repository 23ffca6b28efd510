import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { Deadline, decisionTimeMs } from '../admission/deadline.ts';
import type { Decider } from '../admission/decide.ts';
import type { Decision, Mode } from '../admission/outcome.ts';
import { overloadDecision } from '../admission/overload.ts';
import { responseOf } from '../admission/response.ts';
import { InvalidReviewError, readReview, type AdmissionRequest } from '../admission/review.ts';
import { Gate, GateError } from '../flight/gate.ts';

/** One admission request that was answered. */
export interface AdmissionEvent {
  readonly request: AdmissionRequest;
  readonly mode: Mode;
  readonly decision: Decision;
  readonly durationMs: number;
}

/** One HTTP request that was no admission request (a bad path, a bad body, a client that went away), or was not read. */
export interface BadRequestEvent {
  readonly outcome: 'invalid_review' | 'overloaded';
  readonly status: number;
  readonly message: string;
  readonly durationMs: number;
}

export interface WebhookAppOptions {
  readonly decider: Pick<Decider, 'decide'>;
  /** The most that a decision may take, whatever the API server allows. */
  readonly maxDecisionMs: number;
  /** How many decisions may be made at once; others wait as long as they may take. */
  readonly maxConcurrentDecisions: number;
  /** How many bytes of bodies may be in memory at once; further bodies are not read meanwhile. */
  readonly maxBodyBytesAtOnce: number;
  readonly onAdmission: (event: AdmissionEvent) => void;
  readonly onBadRequest: (event: BadRequestEvent) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** An object is 3 MiB at most in the API server, and a review may hold it twice; 8 MiB leaves room. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** What waits is small: a request whose body is not read, or one whose bytes are counted already. */
const MAX_WAITING = 4_000;

/** One request on its way. */
interface Visit {
  readonly startedAtMs: number;
  deadline?: Deadline;
}

const PATHS: Readonly<Record<string, Mode>> = {
  '/mutate': 'enabled',
  '/mutate/enabled': 'enabled',
  '/mutate/allow': 'allow',
  '/mutate/audit': 'audit',
};

/** The Express application that answers admission reviews. Never throws, never answers with a body of ours in HTML. */
export function createWebhookApp(options: WebhookAppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);
  const visits = new WeakMap<Request, Visit>();
  const decisions = new Gate({ capacity: options.maxConcurrentDecisions, maxWaiting: MAX_WAITING });
  const bodies = new Gate({ capacity: options.maxBodyBytesAtOnce, maxWaiting: MAX_WAITING });
  const durationMs = (request: Request): number =>
    options.now() - (visits.get(request)?.startedAtMs ?? options.now());
  app.use((request, _response, next) => {
    visits.set(request, { startedAtMs: options.now() });
    next();
  });

  const refuse = (
    request: Request,
    response: Response,
    status: number,
    message: string,
    outcome: BadRequestEvent['outcome'] = 'invalid_review',
  ): void => {
    options.onBadRequest({ outcome, status, message, durationMs: durationMs(request) });
    if (response.headersSent) return;
    response.status(status).json({ error: message });
  };

  /** Waits for room in memory for the body. Without it there is no uid to answer to: the failurePolicy decides. */
  const makeRoom = async (request: Request, response: Response, next: () => void): Promise<void> => {
    const visit = visits.get(request);
    const deadline = new Deadline(decisionTimeMs(request.query['timeout'], options.maxDecisionMs));
    if (visit !== undefined) visit.deadline = deadline;
    response.once('close', () => {
      deadline.done();
      if (!response.writableFinished) deadline.callerGone();
    });
    const bytes = Number(request.headers['content-length'] ?? MAX_BODY_BYTES);
    try {
      response.once('close', await bodies.enter(Math.min(bytes, MAX_BODY_BYTES), deadline.signal));
    } catch (error) {
      if (!(error instanceof GateError)) throw error;
      return refuse(request, response, 503, 'samebytes is overloaded', 'overloaded');
    }
    // Whoever sends slowly must not keep others out.
    deadline.signal.addEventListener('abort', () => {
      if (!request.complete) request.destroy();
    });
    next();
  };

  const decide = async (review: AdmissionRequest, mode: Mode, signal: AbortSignal): Promise<Decision> => {
    let leave: () => void;
    try {
      leave = await decisions.enter(1, signal);
    } catch (error) {
      if (error instanceof GateError) return overloadDecision(mode);
      throw error;
    }
    try {
      return await options.decider.decide(review, mode, signal);
    } finally {
      leave();
    }
  };

  const answer = async (mode: Mode, request: Request, response: Response): Promise<void> => {
    const review = readReview(request.body);
    // What nobody reads need not wait for the decision.
    request.body = undefined;
    const signal = visits.get(request)?.deadline?.signal ?? AbortSignal.abort();
    const decision = await decide(review, mode, signal);
    if (!response.closed) sendJson(response, JSON.stringify(responseOf(review.uid, decision, mode)));
    options.onAdmission({ request: review, mode, decision, durationMs: durationMs(request) });
  };

  const requireJson = (request: Request, response: Response, next: () => void): void => {
    const type = request.headers['content-type'];
    // The API server always says the same; other spellings are rare.
    if (type === 'application/json' || request.is('application/json') === 'application/json') return next();
    refuse(request, response, 415, 'send an AdmissionReview with content-type application/json');
  };
  const readBody = express.json({ limit: MAX_BODY_BYTES, inflate: false, type: () => true });
  for (const [path, mode] of Object.entries(PATHS)) {
    app
      .route(path)
      .post(
        requireJson,
        (request, response, next) => makeRoom(request, response, next),
        readBody,
        (request, response) => answer(mode, request, response),
      )
      .all((request, response) => {
        response.set('allow', 'POST');
        refuse(request, response, 405, 'only POST is answered here');
      });
  }
  app.use((request, response) => refuse(request, response, 404, 'the webhook answers at /mutate'));

  // Express tells error handlers by their four parameters.
  const onError: ErrorRequestHandler = (error: unknown, request, response, _next) => {
    const { status, message } = describe(error);
    refuse(request, response, status, message);
  };
  app.use(onError);
  return app;
}

/** As `response.json`, without its questions: what is sent is JSON in UTF-8 and no more. */
function sendJson(response: Response, text: string): void {
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(text);
}

/** What a body that cannot be read is answered with: the class of the fault, never a part of the body. */
function describe(error: unknown): { status: number; message: string } {
  if (error instanceof InvalidReviewError) return { status: 400, message: error.message };
  const type = error instanceof Error && 'type' in error ? String(error.type) : '';
  if (type === 'entity.too.large')
    return { status: 413, message: `the body is larger than ${MAX_BODY_BYTES} bytes` };
  if (type === 'encoding.unsupported' || type === 'charset.unsupported') {
    return { status: 415, message: 'send the body as it is, in UTF-8' };
  }
  if (type.startsWith('entity.') || type.startsWith('request.')) {
    return { status: 400, message: 'the body is not a JSON object' };
  }
  return { status: 400, message: 'the request cannot be read' };
}
