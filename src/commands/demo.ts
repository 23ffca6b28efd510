import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { issueCertificates } from '../certificates/authority.ts';
import { settingsSchema, type Settings } from '../config/settings.ts';
import { OciRegistry } from '../demo/oci-registry.ts';
import { PlayedApiServer } from '../demo/played-api-server.ts';
import { sampleReview } from '../demo/sample-review.ts';
import { FOLLOWED, ShopLife } from '../demo/shop-life.ts';
import { tellStory, type Scene } from '../demo/story.ts';
import { MemoryPinStore } from '../pins/memory-pin-store.ts';
import { PinMemory } from '../pins/pin-memory.ts';
import { Pinner, type PinnerOptions, type PodPins } from '../pins/pinner.ts';
import { createLog } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { CommandError, type Surroundings } from './surroundings.ts';
import { startWebhook, type RunningWebhook } from './webhook.ts';

/** Breaks the memory of pins on purpose, so that a test can see the demo's claims fail. Known here only. */
const BREAK_PINS = 'SAMEBYTES_DEMO_BREAK_PINS';

/** How long the cluster that is played rests between two things that happen. */
const STEP_MS = 1_000;

/** Adds `samebytes demo`: the whole story on this machine, with built-in settings. */
export function addDemo(program: Command, surroundings: Surroundings): void {
  program
    .command('demo')
    .description('show in a minute what samebytes does: a registry, the webhook, and a tag that moves')
    .option('--serve', 'keep everything running afterwards, for the dashboard and for curl')
    .action((flags: { serve?: boolean }) => demo(flags.serve === true, surroundings));
}

interface Demo {
  readonly registry: OciRegistry;
  readonly partner: OciRegistry;
  readonly webhook: RunningWebhook;
  readonly directory: string;
  readonly ca: string;
}

async function demo(serve: boolean, surroundings: Surroundings): Promise<void> {
  const stopped = Promise.withResolvers<string>();
  surroundings.onStopSignal(stopped.resolve);
  const { output, env } = surroundings;
  const registry = new OciRegistry();
  const partner = new OciRegistry();
  const directory = await mkdtemp(join(tmpdir(), 'samebytes-demo-'));
  let running: Demo | undefined;
  try {
    running = await startDemo({ registry, partner, directory }, env[BREAK_PINS] === '1');
    const failed = await play(running, output);
    if (failed > 0) throw new CommandError(`${failed} of the demo's claims did not hold`);
    if (serve) {
      output.write(await servingText(running));
      await liveUntil(stopped.promise, running);
    }
  } finally {
    await running?.webhook.stop({ drain: false });
    await Promise.all([registry.stop(), partner.stop()]);
    await rm(directory, { recursive: true, force: true });
  }
}

async function startDemo(
  { registry, partner, directory }: Pick<Demo, 'registry' | 'partner' | 'directory'>,
  breakPins: boolean,
): Promise<Demo> {
  await Promise.all([registry.start(), partner.start()]);
  const { ca, serving } = await issueCertificates({
    names: ['localhost', '127.0.0.1'],
    notBefore: new Date(),
    validDays: 1,
  });
  await Promise.all([
    writeFile(join(directory, 'ca.crt'), ca.cert),
    writeFile(join(directory, 'tls.crt'), serving.cert),
    writeFile(join(directory, 'tls.key'), serving.key, { mode: 0o600 }),
  ]);
  const webhook = await startWebhook({
    settings: demoSettings(directory, registry.host, partner.host),
    cluster: undefined,
    log: createLog({ level: 'silent', pretty: false }),
    metrics: new Metrics({ processMetrics: true }),
    ...(breakPins ? { createPinner: forgetfulPinner } : {}),
  });
  return { registry, partner, webhook, directory, ca: ca.cert };
}

function demoSettings(directory: string, registryHost: string, partnerHost: string): Settings {
  return settingsSchema.parse({
    webhook: {
      host: '127.0.0.1',
      port: 0,
      certFile: join(directory, 'tls.crt'),
      keyFile: join(directory, 'tls.key'),
    },
    health: { host: '127.0.0.1', port: 0 },
    dashboard: { port: 0 },
    shutdown: { drainMs: 0, graceMs: 1_000 },
    pins: { store: 'memory' },
    policies: { rules: [{ images: [`${registryHost}/${FOLLOWED}`], policy: 'follow' }] },
    registries: [registryHost, partnerHost].map((host) => ({ host, insecure: true, allowLoopback: true })),
  });
}

/** A pinner that remembers nothing from one Pod to the next: what a webhook that pins Pods only would do. */
function forgetfulPinner(options: PinnerOptions): PodPins {
  const nothing = { maxRevisions: 1, onCreated: () => {}, onAdded: () => {}, onForgotten: () => {} };
  // A memory that is never opened keeps nothing.
  const memory = new PinMemory({ maxPins: 1, now: () => performance.now() });
  return {
    pin: (request) => new Pinner({ ...options, memory, store: new MemoryPinStore(nothing) }).pin(request),
    pinOf: () => undefined,
    stillHolds: () => false,
    answersStill: () => false,
  };
}

/** Plays the story and returns how many claims failed. */
async function play({ registry, webhook, ca }: Demo, output: Surroundings['output']): Promise<number> {
  const api = new PlayedApiServer({ port: webhook.webhookPort, ca });
  const print = new ScenePrinter(output);
  let failed = 0;
  let held = 0;
  print.opening();
  try {
    for await (const scene of tellStory(registry, api)) {
      print.scene(scene);
      failed += scene.claims.filter(({ holds }) => !holds).length;
      held += scene.claims.filter(({ holds }) => holds).length;
    }
  } finally {
    await api.close();
  }
  print.closing(held, failed);
  return failed;
}

/** Lets a small cluster live on, for the dashboard to have something to show. */
async function liveUntil(stopped: Promise<unknown>, running: Demo): Promise<void> {
  const api = new PlayedApiServer({ port: running.webhook.webhookPort, ca: running.ca });
  const life = new ShopLife({ ...running, api });
  const end = new AbortController();
  const living = async (): Promise<void> => {
    while (!end.signal.aborted) {
      await life.step();
      await pause(STEP_MS, undefined, { signal: end.signal }).catch(() => {});
    }
  };
  try {
    const lived = living();
    await Promise.race([stopped, lived]);
    end.abort();
    await lived;
  } finally {
    await api.close();
  }
}

/** How to go on by hand: the page, the exact curl line, and where the numbers are. */
async function servingText({ registry, webhook, directory }: Demo): Promise<string> {
  const review = join(directory, 'admission-review.json');
  await writeFile(review, sampleReview(registry.host));
  const url = `https://localhost:${webhook.webhookPort}/mutate/enabled?timeout=5s`;
  return [
    '',
    'Still running, and a small cluster is played (Ctrl-C ends it). See what it does:',
    '',
    `  Dashboard: http://127.0.0.1:${webhook.dashboardPort}/`,
    '',
    'Send a review as the API server does:',
    '',
    `  curl --cacert ${join(directory, 'ca.crt')} -H 'content-type: application/json' \\`,
    `    --data-binary @${review} '${url}'`,
    '',
    `Metrics: http://127.0.0.1:${webhook.healthPort}/metrics`,
    '',
  ].join('\n');
}

class ScenePrinter {
  readonly #output: Surroundings['output'];
  #number = 0;

  constructor(output: Surroundings['output']) {
    this.#output = output;
  }

  opening(): void {
    this.#line('samebytes demo: the real webhook over TLS, a registry over HTTP; the API server is played.');
    this.#line(
      this.#paint('dim', 'Digests are shortened here. A tag can be moved by anyone; a digest names bytes.'),
    );
  }

  scene({ title, tagMeans, before, after, denied, claims }: Scene): void {
    this.#number += 1;
    this.#line('');
    this.#line(this.#paint('bold', `${this.#number}. ${title}`));
    this.#line(this.#paint('dim', `   tag 1.0 now means ${short(tagMeans)}`));
    this.#line(`   before  image: ${before}`);
    for (const { image, count } of after)
      this.#line(`   after   image: ${short(image)}  (${count} Pod${count === 1 ? '' : 's'})`);
    if (denied !== undefined) this.#line(`   refused ${denied}`);
    for (const { text, holds } of claims) {
      this.#line(
        holds
          ? `   ${this.#paint('green', 'ok')}      ${text}`
          : `   ${this.#paint('red', 'FAILED')}  ${text}`,
      );
    }
  }

  closing(held: number, failed: number): void {
    this.#line('');
    const proved = `${held} of ${held + failed} claims hold, checked on the admitted Pods and the registry's own log.`;
    this.#line(failed === 0 ? this.#paint('green', proved) : this.#paint('red', proved));
    if (failed === 0)
      this.#line('Every replica of a revision ran the same bytes, and no Deployment was touched.');
  }

  #line(text: string): void {
    this.#output.write(`${text}\n`);
  }

  #paint(format: 'bold' | 'dim' | 'green' | 'red', text: string): string {
    return this.#output.isTTY ? styleText(format, text, { validateStream: false }) : text;
  }
}

function short(text: string): string {
  return text.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/, '$1…');
}
