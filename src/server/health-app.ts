import express, { type Express } from 'express';
import type { Metrics } from '../telemetry/metrics.ts';

export interface HealthAppOptions {
  readonly metrics: Pick<Metrics, 'exposition'>;
  /** Whether new admission requests should be sent here. */
  readonly isReady: () => boolean;
}

/** The Express application of the second port: metrics and health, over plain HTTP. */
export function createHealthApp({ metrics, isReady }: HealthAppOptions): Express {
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
  app.get('/metrics', async (_request, response) => {
    const { contentType, text } = await metrics.exposition();
    response.set('content-type', contentType).send(text);
  });
  return app;
}
