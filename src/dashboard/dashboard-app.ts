import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import type { Dashboard } from './dashboard.ts';
import page from './page.json' with { type: 'json' };

export interface DashboardAppOptions {
  readonly dashboard: Pick<Dashboard, 'state'>;
}

/**
 * Names of this machine. A page of another site can have its own name resolve to 127.0.0.1 (DNS rebinding) and would
 * then count as of one origin with us, but its requests still carry that name.
 */
const HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // Names from the cluster cannot become markup, not even by a mistake in the page.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/** The Express application of the page. Answers GET alone, to this machine's browser alone. */
export function createDashboardApp({ dashboard }: DashboardAppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use((request, response, next) => {
    response.set(HEADERS);
    if (!HOSTS.has(hostOf(request))) {
      response.status(403).type('text/plain').send('open the dashboard as http://localhost or 127.0.0.1\n');
    } else if (request.method !== 'GET') {
      response.status(405).set('allow', 'GET').type('text/plain').send('only GET is answered here\n');
    } else next();
  });
  for (const { path, contentType, body } of page) {
    app.get(path, (_request, response) => void response.set('content-type', contentType).send(body));
  }
  const sendState = async (request: Request, response: Response): Promise<void> => {
    const had = { pointMs: number(request, 'point'), version: number(request, 'version') };
    response.json(await dashboard.state(had));
  };
  app.get('/state', (request, response) => sendState(request, response));
  app.use((_request, response) => void response.status(404).type('text/plain').send('not found\n'));
  app.use(onError);
  return app;
}

// Express tells error handlers by their four parameters.
const onError: ErrorRequestHandler = (_error, _request, response, _next) => {
  if (!response.headersSent) response.status(400).type('text/plain').send('the request cannot be read\n');
};

/** The Host header without its port. */
function hostOf(request: Request): string {
  return (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
}

/** A number of the query; -1, which no point and no version is, where there is none. */
function number(request: Request, name: string): number {
  const text = request.query[name];
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : -1;
}
