import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Command } from 'commander';
import { addDashboard } from '../../src/commands/dashboard.ts';
import type { Surroundings } from '../../src/commands/surroundings.ts';
import { VERSION } from '../../src/commands/version.ts';
import { ForwardingApi, webhookPod } from '../support/forwarding-api.ts';
import { SamebytesProcess } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { WebhookUnderTest } from '../support/running-webhook.ts';

// Browsers and processes take their time on a machine that does other things besides.
jest.setTimeout(30_000);

// `samebytes dashboard` as a process, against a played API server that leads to the page of a real webhook process.

let api: ForwardingApi;
let webhook: WebhookUnderTest;
let directory: string;
let command: SamebytesProcess | undefined;

beforeEach(async () => {
  [api, webhook, directory] = await Promise.all([
    ForwardingApi.start(),
    WebhookUnderTest.start(),
    mkdtemp(join(tmpdir(), 'samebytes-dashboard-')),
  ]);
  api.target = webhook.dashboardPort;
  api.pods = [
    webhookPod('samebytes-c'),
    webhookPod('samebytes-b'),
    webhookPod('samebytes-a', { isReady: false }),
  ];
  await writeFile(join(directory, 'kubeconfig'), api.kubeconfig);
});
afterEach(async () => {
  await command?.kill();
  command = undefined;
  await Promise.all([api.stop(), webhook.stop()]);
  await rm(directory, { recursive: true, force: true });
});

function start(...args: string[]): SamebytesProcess {
  const named = ['--kubeconfig', join(directory, 'kubeconfig'), '--port', '0', '--no-open'];
  command = new SamebytesProcess(['dashboard', ...named, ...args]);
  return command;
}

async function failure(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await start(...args).exited;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).not.toMatch(/secret-token|^ +at /m);
  return stderr;
}

test('it leads to the page of a ready Pod, names that Pod and the others, and ends on Ctrl-C', async () => {
  const running = start();
  const [text, url = ''] = await running.printed(/^.*(http:\/\/127\.0\.0\.1:\d+\/)[^]*Ctrl-C ends it\.$/m);
  expect(text).toContain(`Dashboard of Pod samebytes/samebytes-b (samebytes ${VERSION}): ${url}\n`);
  expect(text).toContain('(--pod NAME): samebytes-c, samebytes-a\n');
  const page = await fetch(url);
  expect({ status: page.status, type: page.headers.get('content-type') }).toEqual({
    status: 200,
    type: 'text/html; charset=utf-8',
  });
  const script = await fetch(new URL('page.js', url)).then((response) => response.text());
  const direct = await fetch(`http://127.0.0.1:${webhook.dashboardPort}/page.js`).then((response) =>
    response.text(),
  );
  expect(script).toBe(direct);
  expect(api.asked[0]).toContain('labelSelector=app.kubernetes.io%2Fname%3Dsamebytes');
  expect(api.asked).toContain('/api/v1/namespaces/samebytes/pods/samebytes-b/portforward?ports=9091');
  running.signal('SIGINT');
  expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
});

test('a Pod, a namespace and a port in the Pod can be chosen', async () => {
  await start('--pod', 'samebytes-a', '--namespace', 'elsewhere', '--pod-port', '7000').printed(
    /elsewhere\/samebytes-a/,
  );
  expect(api.asked).toContain('/api/v1/namespaces/elsewhere/pods/samebytes-a/portforward?ports=7000');
});

test('many questions at once all get their own answers', async () => {
  const [, url = ''] = await start().printed(/(http:\S+)[^]*Ctrl-C/);
  const paths = Array.from(
    { length: 40 },
    (_, index) => ['', 'page.css', 'favicon.svg', 'state'][index % 4] ?? '',
  );
  const answers = await Promise.all(
    paths.map((path) => fetch(new URL(path, url)).then((answer) => answer.text())),
  );
  for (const [index, text] of answers.entries())
    expect(text).toMatch([/^<!doctype/, /^\/\*! uPlot/, /^<svg/, /^\{"process"/][index % 4] ?? /never/);
});

test('a Pod on its way out is not shown', async () => {
  api.pods = [webhookPod('samebytes-a', { isEnding: true }), webhookPod('samebytes-b')];
  const [text] = await start().printed(/[^]*Ctrl-C/);
  expect(text).not.toContain('samebytes-a');
});

/** Runs the command in this process; it is asked to stop once `isDone` says so of what it wrote, and its browser is played. */
async function printedUntil(
  isDone: (written: string) => boolean,
  openUrl: (url: string) => Promise<void>,
): Promise<string> {
  let written = '';
  let stop: ((signal: string) => void) | undefined;
  const surroundings: Surroundings = {
    env: {},
    input: { isTTY: false, read: () => process.stdin },
    output: {
      isTTY: false,
      columns: undefined,
      write: (text) => {
        written += text;
        if (isDone(written)) stop?.('SIGINT');
      },
      closed: new AbortController().signal,
    },
    onStopSignal: (callback) => (stop = callback),
  };
  const program = new Command();
  addDashboard(program, surroundings, openUrl);
  const args = ['dashboard', '--port', '0', '--kubeconfig', join(directory, 'kubeconfig')];
  await program.parseAsync(args, { from: 'user' });
  return written;
}

test('the browser is opened at the address that is printed', async () => {
  const opened: string[] = [];
  const written = await printedUntil(
    (text) => text.includes('Ctrl-C'),
    async (url) => void opened.push(url),
  );
  expect(opened).toEqual([/http:\S+/.exec(written)?.[0]]);
});

test('where no browser can be opened, it says so, and goes on', async () => {
  const written = await printedUntil(
    (text) => text.includes('No browser can be opened here'),
    async () => {
      throw new Error('spawn xdg-open ENOENT');
    },
  );
  expect(written).toMatch(/http:\/\/127\.0\.0\.1:\d+\/[^]*Ctrl-C ends it\.\nNo browser/);
});

test('an API server that hangs does not keep it from ending', async () => {
  const running = start();
  const [, url = ''] = await running.printed(/(http:\S+)[^]*Ctrl-C/);
  api.hangs = true;
  const asked = api.asked.length;
  const asking = fetch(url, { headers: { connection: 'close' } }).catch(String);
  await until('a handshake', () => api.asked.length > asked);
  running.signal('SIGINT');
  expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
  expect(await asking).toMatch(/fetch failed/);
});

test.each([
  [401, /the cluster does not know you \(401\)/],
  [403, /you may not list Pods in namespace samebytes \(403\): that needs "list" on pods/],
  [500, /the cluster answered with status 500/],
])('where the list of Pods is answered with %i, it says what to do', async (status, message) => {
  api.listStatus = status;
  expect(await failure()).toMatch(message);
});

test.each([
  [
    403,
    /you may not forward ports to Pod samebytes\/samebytes-b \(403\): that needs "create" and "get" on pods\/portforward/,
  ],
  [404, /Pod samebytes\/samebytes-b is gone/],
  [500, /forwards no port to Pod samebytes\/samebytes-b \(status 500\)/],
])('where the port-forward is answered with %i, it says what to do', async (status, message) => {
  api.forwardStatus = status;
  expect(await failure()).toMatch(message);
});

test('where nobody listens in the Pod, it asks whether the dashboard is turned off', async () => {
  api.target = 1;
  expect(await failure()).toMatch(
    /port 9091 of Pod .*connection refused\. Is the dashboard turned off there/,
  );
});

test('what answers in the Pod cannot steer the terminal', async () => {
  const other = createHttpServer((_request, response) => {
    response.end(JSON.stringify({ process: { version: '1\u001B[2J\u009B31m' } }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  try {
    api.target = (other.address() as AddressInfo).port;
    const [text] = await start().printed(/[^]*Ctrl-C/);
    expect(text).toContain('(samebytes 1\\u{1b}[2J\\u{9b}31m)');
  } finally {
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  }
});

test('where there is no Pod, or not that one, it says which there are', async () => {
  expect(await failure('--pod', 'samebytes-x')).toMatch(
    /no Pod samebytes-x .*: there are samebytes-b, samebytes-c/,
  );
  api.pods = [];
  expect(await failure()).toMatch(/no Pod of samebytes in namespace samebytes: is it installed\?/);
});

test('where there is no cluster, it says so', async () => {
  expect(await failure('--context', 'nowhere')).toMatch(
    /cannot reach the cluster at https:\/\/127\.0\.0\.1:\d+: ECONNREFUSED/,
  );
  expect(await failure('--context', 'x')).toMatch(/the kubeconfig has no context x/);
  expect(await failure('--kubeconfig', join(directory, 'none'))).toMatch(/cannot use the kubeconfig/);
  command = new SamebytesProcess(['dashboard'], { HOME: directory, KUBECONFIG: '' });
  expect((await command.exited).stderr).toMatch(/no cluster to ask: set KUBECONFIG.*npm run demo -- --serve/);
});

test('where the port of this machine is taken, it says which, and what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as AddressInfo;
  expect(await failure('--port', String(port))).toMatch(
    new RegExp(`port ${port} of this machine is taken: --port`),
  );
  await new Promise((resolve) => taken.close(resolve));
  expect(await failure('--port', '99999')).toMatch(/99999 is not a port/);
});

test('a connection that breaks later is told once, and the port stays open for the next one', async () => {
  const running = start();
  const [, url = ''] = await running.printed(/(http:\S+)[^]*Ctrl-C/);
  api.forwardStatus = 404;
  for (let request = 0; request < 3; request += 1)
    await expect(fetch(url, { headers: { connection: 'close' } })).rejects.toThrow('fetch failed');
  await running.printed(/Pod samebytes\/samebytes-b is gone/);
  expect(running.stdout.match(/is gone/g)).toHaveLength(1);
  api.forwardStatus = 101;
  expect((await fetch(url)).status).toBe(200);
});
