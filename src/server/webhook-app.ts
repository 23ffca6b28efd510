import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { Deadline, decisionTimeMs } from '../admission/deadline.ts';
import type { Decider } from '../admission/decide.ts';
import type { Decision, Mode } from '../admission/outcome.ts';
import { overloadDecision } from '../admission/overload.ts';
import { responseOf } from '../admission/response.ts';
import { InvalidReviewError, readReview, type AdmissionRequest } from '../admission/review.ts';
import { Gate, GateError } from '../flight/gate.ts';
import { BodyError, MAX_BODY_BYTES, readBodies } from './review-body.ts';

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
  readonly onAdmission: (event: AdmissionEvent) => void;
  readonly onBadRequest: (event: BadRequestEvent) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Far more than there can be connections; whoever waits has room in memory already. */
const MAX_WAITING = 10_000;

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
  const startedAt = new WeakMap<Request, number>();
  const durationMs = (request: Request): number => options.now() - (startedAt.get(request) ?? options.now());
  app.use((request, _response, next) => {
    startedAt.set(request, options.now());
    next();
  });

  const refuse = (request: Request, response: Response, refusal: Refusal): void => {
    const { status, message, outcome = 'invalid_review' } = refusal;
    options.onBadRequest({ outcome, status, message, durationMs: durationMs(request) });
    if (response.headersSent) return;
    response.status(status).json({ error: message });
  };

  const decisions = new Gate({ capacity: options.maxConcurrentDecisions, maxWaiting: MAX_WAITING });
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
    const timeMs = decisionTimeMs(request.query['timeout'], options.maxDecisionMs);
    const review = readReview(request.body);
    const deadline = new Deadline(timeMs - durationMs(request));
    response.once('close', () => {
      if (!response.writableFinished) deadline.callerGone();
    });
    try {
      const decision = await decide(review, mode, deadline.signal);
      if (!response.closed) sendJson(response, JSON.stringify(responseOf(review.uid, decision, mode)));
      options.onAdmission({ request: review, mode, decision, durationMs: durationMs(request) });
    } finally {
      deadline.done();
    }
  };

  const bodies = readBodies();
  for (const [path, mode] of Object.entries(PATHS)) {
    app
      .route(path)
      .post(...bodies, (request, response) => answer(mode, request, response))
      .all((request, response) => {
        response.set('allow', 'POST');
        refuse(request, response, { status: 405, message: 'only POST is answered here' });
      });
  }
  app.use((request, response) =>
    refuse(request, response, { status: 404, message: 'the webhook answers at /mutate' }),
  );

  // Express tells error handlers by their four parameters.
  const onError: ErrorRequestHandler = (error: unknown, request, response, _next) => {
    refuse(request, response, describe(error));
  };
  app.use(onError);
  return app;
}

/** As `response.json`, without its questions: what is sent is JSON in UTF-8 and no more. */
function sendJson(response: Response, text: string): void {
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(text);
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
  const type = error instanceof Error && 'type' in error ? String(error.type) : '';
  if (type === 'entity.too.large')
    return { status: 413, message: `the body is larger than ${MAX_BODY_BYTES} bytes` };
  if (type === 'encoding.unsupported' || type === 'charset.unsupported') {
    return { status: 415, message: 'send the body as it is, in UTF-8' };
  }
  if (type.startsWith('request.')) return { status: 400, message: 'the body did not arrive whole' };
  if (type.startsWith('entity.')) return { status: 400, message: 'the body is not a JSON object' };
  return { status: 400, message: 'the request cannot be read' };
}
