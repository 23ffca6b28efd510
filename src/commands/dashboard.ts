import type { Command } from 'commander';
import { ApiException, CoreV1Api } from '@kubernetes/client-node';
import { isObject } from '../json/json-object.ts';
import { findUsersCluster, KubeconfigError } from '../kubernetes/cluster.ts';
import type { ClusterConnection } from '../kubernetes/cluster-connection.ts';
import { PodForward, type ForwardProblem } from '../kubernetes/pod-forward.ts';
import { webhookPods, type WebhookPod } from '../kubernetes/webhook-pods.ts';
import { printable } from './printable.ts';
import { CommandError, type Surroundings } from './surroundings.ts';

interface Flags {
  readonly namespace: string;
  readonly pod?: string;
  readonly port: number;
  readonly podPort: number;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly open: boolean;
}

interface Target {
  readonly cluster: ClusterConnection;
  readonly namespace: string;
  readonly pod: string;
  readonly others: readonly string[];
}

const NO_BROWSER = 'No browser can be opened here: open the address in one of yours.\n';
/** How long the Pod may take to answer through the API server. */
const FIRST_ANSWER_MS = 10_000;

/** Adds `samebytes dashboard`: leads a port of this machine to a webhook process's page, and opens it. */
export function addDashboard(
  program: Command,
  surroundings: Surroundings,
  openUrl: (url: string) => Promise<void> = openInBrowser,
): void {
  program
    .command('dashboard')
    .description('show the page of a webhook process in the cluster')
    .option('-n, --namespace <namespace>', 'the namespace that samebytes runs in', 'samebytes')
    .option('--pod <name>', 'the Pod to show, instead of the first one that is ready')
    .option('--port <port>', 'port on this machine; 0 takes a free one', portNumber, 9091)
    .option('--pod-port <port>', "the dashboard's port in the Pod", portNumber, 9091)
    .option('--kubeconfig <file>', 'the cluster to ask; without it, as kubectl finds it')
    .option('--context <name>', 'a context of the kubeconfig')
    .option('--no-open', 'print the address, and open no browser')
    .action((flags: Flags) => dashboard(flags, surroundings, openUrl));
}

async function dashboard(
  flags: Flags,
  { output, onStopSignal }: Surroundings,
  openUrl: (url: string) => Promise<void>,
): Promise<void> {
  const stopped = Promise.withResolvers<string>();
  onStopSignal(stopped.resolve);
  const target = await findTarget(flags);
  const problems: ForwardProblem[] = [];
  let isShown = false;
  const told = new Set<string>();
  const onError = (problem: ForwardProblem): void => {
    if (!isShown) problems.push(problem);
    // A page that asks once a second must not fill the terminal.
    const text = problemText(problem, target, flags);
    if (isShown && !told.has(text)) output.write(`${text}\n`);
    told.add(text);
  };
  const forward = await openForward(target, flags, onError);
  try {
    const url = `http://127.0.0.1:${forward.port}/`;
    const version = await versionShown(url);
    if (version === undefined) throw new CommandError(problemText(problems[0], target, flags));
    isShown = true;
    output.write(shownText(url, version, target));
    if (flags.open) await openUrl(url).catch(() => output.write(NO_BROWSER));
    await stopped.promise;
  } finally {
    await forward.close();
  }
}

/** Which Pod to show. @throws {CommandError} where there is none, or nobody to ask. */
async function findTarget({ kubeconfig, context, namespace, pod: wanted }: Flags): Promise<Target> {
  const cluster = usersCluster(kubeconfig, context);
  const pods = await listPods(cluster, namespace);
  const names = pods.map(({ name }) => name);
  if (wanted !== undefined && !names.includes(wanted)) {
    const known = names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`;
    throw new CommandError(`no Pod ${wanted} of samebytes in namespace ${namespace}: ${known}`);
  }
  const pod = wanted ?? pods.find(({ isReady }) => isReady)?.name ?? names[0];
  if (pod === undefined) {
    throw new CommandError(
      `no Pod of samebytes in namespace ${namespace}: is it installed? --namespace names another namespace`,
    );
  }
  return { cluster, namespace, pod, others: names.filter((name) => name !== pod) };
}

function usersCluster(kubeconfig: string | undefined, context: string | undefined): ClusterConnection {
  try {
    const cluster = findUsersCluster({ kubeconfig, context });
    if (cluster !== undefined) return cluster;
  } catch (error) {
    if (error instanceof KubeconfigError) throw new CommandError(error.message);
    throw error;
  }
  throw new CommandError(
    'no cluster to ask: set KUBECONFIG, or name one with --kubeconfig. Without a cluster: npm run demo -- --serve',
  );
}

async function listPods(cluster: ClusterConnection, namespace: string): Promise<WebhookPod[]> {
  try {
    return await webhookPods(cluster.makeApiClient(CoreV1Api), namespace);
  } catch (error) {
    if (error instanceof ApiException && error.code === 401)
      throw new CommandError('the cluster does not know you (401): log in, or check the kubeconfig');
    if (error instanceof ApiException && error.code === 403)
      throw new CommandError(
        `you may not list Pods in namespace ${namespace} (403): that needs "list" on pods`,
      );
    if (error instanceof ApiException)
      throw new CommandError(`the cluster answered with status ${error.code} instead of its Pods`);
    const server = cluster.getCurrentCluster()?.server ?? '';
    throw new CommandError(`cannot reach the cluster at ${server}: ${reasonOf(error)}`);
  } finally {
    await cluster.close();
  }
}

async function openForward(
  { cluster, namespace, pod }: Target,
  { port: localPort, podPort }: Flags,
  onError: (problem: ForwardProblem) => void,
): Promise<PodForward> {
  try {
    return await PodForward.open({ cluster, namespace, pod, podPort, localPort, onError });
  } catch (error) {
    const code = reasonOf(error);
    const hint = code === 'EADDRINUSE' ? 'is taken: --port names another, 0 takes a free one' : `(${code})`;
    throw new CommandError(`port ${localPort} of this machine ${hint}`);
  }
}

/** The version of the process that answers; undefined where none does. */
async function versionShown(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(new URL('state', url), { signal: AbortSignal.timeout(FIRST_ANSWER_MS) });
    const state: unknown = await response.json();
    const process = isObject(state) ? state['process'] : undefined;
    return isObject(process) ? String(process['version']) : undefined;
  } catch {
    return undefined;
  }
}

function shownText(url: string, version: string, { namespace, pod, others }: Target): string {
  const lines = [`Dashboard of Pod ${namespace}/${pod} (samebytes ${printable(version)}): ${url}`];
  if (others.length > 0)
    lines.push(`Other processes, each with its own numbers (--pod NAME): ${others.join(', ')}`);
  return [...lines, 'Ctrl-C ends it.', ''].join('\n');
}

function problemText(
  problem: ForwardProblem | undefined,
  { namespace, pod }: Target,
  { podPort }: Flags,
): string {
  const name = `${namespace}/${pod}`;
  if (problem?.status === 401 || problem?.status === 403)
    return `you may not forward ports to Pod ${name} (${problem.status}): that needs "create" and "get" on pods/portforward`;
  if (problem?.status === 404) return `Pod ${name} is gone: start samebytes dashboard again for another`;
  if (problem?.status !== undefined)
    return `the cluster forwards no port to Pod ${name} (status ${problem.status}): does the Pod run?`;
  const where = `port ${podPort} of Pod ${name}`;
  const what = problem === undefined ? 'no dashboard answers' : printable(problem.message);
  return `${where}: ${what}. Is the dashboard turned off there (dashboard.enabled), or at another port (--pod-port)?`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error) return String(error.code);
  return error.cause === undefined ? error.message : reasonOf(error.cause);
}

function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (port > 65_535) throw new CommandError(`${text} is not a port`);
  return port;
}

/** Loaded only here: no other command opens anything. */
async function openInBrowser(url: string): Promise<void> {
  const { default: open } = await import('open');
  await open(url);
}
