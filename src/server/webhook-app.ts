import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import { Deadline, decisionTimeMs } from '../admission/deadline.ts';
import type { Decider } from '../admission/decide.ts';
import type { Decision, Mode } from '../admission/outcome.ts';
import { responseOf } from '../admission/response.ts';
import { InvalidReviewError, readReview, type AdmissionRequest } from '../admission/review.ts';
import { BodyError, MAX_BODY_BYTES, readBodies } from './review-body.ts';

/** One admission request that was answered. */
export interface AdmissionEvent {
  readonly request: AdmissionRequest;
  readonly mode: Mode;
  readonly decision: Decision;
  readonly durationMs: number;
}

/** One HTTP request that was no admission request: a bad path, a bad body, a client that went away. */
export interface BadRequestEvent {
  readonly status: number;
  readonly message: string;
  readonly durationMs: number;
}

export interface WebhookAppOptions {
  readonly decider: Pick<Decider, 'decide'>;
  /** The most that a decision may take, whatever the API server allows. */
  readonly maxDecisionMs: number;
  readonly onAdmission: (event: AdmissionEvent) => void;
  readonly onBadRequest: (event: BadRequestEvent) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
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
  const startedAt = new WeakMap<Request, number>();
  const durationMs = (request: Request): number => options.now() - (startedAt.get(request) ?? options.now());
  app.use((request, _response, next) => {
    startedAt.set(request, options.now());
    next();
  });

  const refuse = (request: Request, response: Response, status: number, message: string): void => {
    options.onBadRequest({ status, message, durationMs: durationMs(request) });
    if (response.headersSent) return;
    response.status(status).json({ error: message });
  };

  const answer = async (mode: Mode, request: Request, response: Response): Promise<void> => {
    const timeMs = decisionTimeMs(request.query['timeout'], options.maxDecisionMs);
    const review = readReview(request.body);
    const deadline = new Deadline(timeMs - durationMs(request));
    response.once('close', () => {
      if (!response.writableFinished) deadline.callerGone();
    });
    try {
      const decision = await options.decider.decide(review, mode, deadline.signal);
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
  if (error instanceof BodyError) return { status: error.status, message: error.message };
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
