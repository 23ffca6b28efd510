import express, { type Express, type Request, type Response } from 'express';
import type { Metrics } from '../telemetry/metrics.ts';

export interface HealthAppOptions {
  readonly metrics: Pick<Metrics, 'exposition'>;
  /** Whether new admission requests should be sent here. */
  readonly isReady: () => boolean;
  /** How long a client may take to read the metrics, in milliseconds. */
  readonly readMs?: number;
}

/** So many are sent metrics at once: each one costs some hundred kilobytes until it has read them. */
const MAX_READERS = 10;
const READ_MS = 10_000;

/** The Express application of the second port: metrics and health, over plain HTTP. */
export function createHealthApp({ metrics, isReady, readMs = READ_MS }: HealthAppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/healthz', (_request, response) => {
    response.type('text/plain').send('ok\n');
  });
  app.get('/readyz', (_request, response) => {
    const ready = isReady();
    response
      .status(ready ? 200 : 503)
      .type('text/plain')
      .send(ready ? 'ok\n' : 'stopping\n');
  });
  let readers = 0;
  const sendMetrics = async (request: Request, response: Response): Promise<void> => {
    if (readers >= MAX_READERS) {
      response.status(503).type('text/plain').send('too many are reading the metrics\n');
      return;
    }
    readers += 1;
    // Whoever asks and never reads would have its metrics held for ever.
    const timer = setTimeout(() => request.socket.destroy(), readMs);
    response.once('close', () => {
      readers -= 1;
      clearTimeout(timer);
    });
    const { contentType, text } = await metrics.exposition();
    response.set('content-type', contentType).send(text);
  };
  app.get('/metrics', (request, response) => sendMetrics(request, response));
  return app;
}
