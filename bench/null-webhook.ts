import { Command } from 'commander';
import express from 'express';
import { addDemo } from '../src/commands/demo.ts';
import { addServe } from '../src/commands/serve.ts';
import { createHealthApp } from '../src/server/health-app.ts';
import { Listener } from '../src/server/listener.ts';
import { TlsFiles } from '../src/server/tls-files.ts';
import { Metrics } from '../src/telemetry/metrics.ts';
import { answerCalls } from './calls.ts';

// What any webhook on this stack costs: the same Express, the same TLS listener, the same imports; it allows everything.

interface Review {
  readonly request: { readonly uid: string };
}

// Never run: a webhook that does nothing still carries all that the program carries.
const program = new Command();
const nowhere = { isTTY: false, columns: undefined, write: () => {}, closed: new AbortController().signal };
const input = { isTTY: false, read: () => process.stdin };
const surroundings = { env: {}, input, output: nowhere, onStopSignal: () => {} };
addServe(program, surroundings);
addDemo(program, surroundings);

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.post('/mutate/enabled', express.json({ limit: '8mb' }), (request, response) => {
  const { uid } = (request.body as Review).request;
  response.json({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, allowed: true },
  });
});

answerCalls({
  start: async ({ certFile, keyFile }: { certFile: string; keyFile: string }) => {
    const host = '127.0.0.1';
    const { served } = await TlsFiles.open({ certFile, keyFile, onChange: () => {}, onError: () => {} });
    const metrics = new Metrics({ processMetrics: true });
    const health = await Listener.open(createHealthApp({ metrics, isReady: () => true }), { host, port: 0 });
    const listener = await Listener.open(app, { host, port: 0, maxConnections: 1_000 }, served);
    return { webhookPort: listener.port, healthPort: health.port };
  },
});
