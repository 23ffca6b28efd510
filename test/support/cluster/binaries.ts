import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULES = fileURLToPath(new URL('./modules', import.meta.url));

/** A program of the control plane: the Go module that holds it, and its package in there. */
interface Program {
  readonly module: keyof typeof MODULE_PATHS;
  readonly package: string;
}

const MODULE_PATHS = {
  etcd: 'go.etcd.io/etcd/server/v3',
  kubernetes: 'k8s.io/kubernetes',
  kwok: 'sigs.k8s.io/kwok',
  registry: 'github.com/distribution/distribution/v3',
} as const;

const PROGRAMS = {
  etcd: { module: 'etcd', package: 'go.etcd.io/etcd/server/v3' },
  'kube-apiserver': { module: 'kubernetes', package: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  'kube-controller-manager': {
    module: 'kubernetes',
    package: 'k8s.io/kubernetes/cmd/kube-controller-manager',
  },
  'kube-scheduler': { module: 'kubernetes', package: 'k8s.io/kubernetes/cmd/kube-scheduler' },
  kubectl: { module: 'kubernetes', package: 'k8s.io/kubernetes/cmd/kubectl' },
  kwok: { module: 'kwok', package: 'sigs.k8s.io/kwok/cmd/kwok' },
  registry: { module: 'registry', package: 'github.com/distribution/distribution/v3/cmd/registry' },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof PROGRAMS;
/** kwok's own stages, which let it play kubelets: they lie in its module, not in its binary. */
const STAGES_FILE = 'stages.yaml';
const STAGES = [
  'node/fast/node-initialize',
  'node/heartbeat-with-lease/node-heartbeat-with-lease',
  'pod/fast/pod-ready',
  'pod/fast/pod-complete',
  'pod/fast/pod-delete',
];

/** Where each program is, and kwok's stages. */
export interface Binaries {
  readonly programs: Readonly<Record<ProgramName, string>>;
  readonly stages: string;
}

/** The programs that are there already; undefined where one is missing. */
export function findBinaries(): Binaries | undefined {
  const names = Object.keys(PROGRAMS) as ProgramName[];
  const found = names.map((name) => [name, findProgram(name)] as const);
  const stages = join(cacheOf('kwok'), STAGES_FILE);
  if (found.some(([, file]) => file === undefined) || !existsSync(stages)) return undefined;
  return { programs: Object.fromEntries(found) as Binaries['programs'], stages };
}

/**
 * The programs, built from Go modules where they are missing: about 15 minutes the very first time, a minute once
 * Go's build cache is warm. `say` hears of the progress.
 * @throws where Go is missing or a build fails.
 */
export async function buildBinaries(say: (line: string) => void): Promise<Binaries> {
  const missing = (Object.keys(PROGRAMS) as ProgramName[]).filter((name) => findProgram(name) === undefined);
  for (const [index, name] of missing.entries()) {
    say(`building ${name} (${index + 1} of ${missing.length}; the first time takes minutes)`);
    await build(name);
  }
  if (!existsSync(join(cacheOf('kwok'), STAGES_FILE))) await copyStages();
  const binaries = findBinaries();
  if (binaries === undefined) throw new Error('the programs were built, and yet some are missing');
  return binaries;
}

/** One program, where it is there already. */
export function findProgram(name: ProgramName): string | undefined {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  const places = [...(assets ? [join(assets, name)] : []), join(cacheOf(PROGRAMS[name].module), name)];
  return places.find((file) => existsSync(file));
}

async function build(name: ProgramName): Promise<void> {
  const { module, package: goPackage } = PROGRAMS[name];
  const cache = cacheOf(module);
  await mkdir(cache, { recursive: true });
  // A build that is cut off must not leave half a program behind.
  const directory = await mkdtemp(join(cache, 'build-'));
  const version = versionOf(module);
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  const component = 'k8s.io/component-base/version';
  const variables = [`gitVersion=${version}`, `gitMajor=${major}`, `gitMinor=${minor}`];
  const stamps = module === 'kubernetes' ? variables.map((variable) => `-X ${component}.${variable}`) : [];
  const ldflags = ['-s', '-w', ...stamps].join(' ');
  try {
    await go(module, ['build', '-trimpath', '-ldflags', ldflags, '-o', join(directory, name), goPackage]);
    await rename(join(directory, name), join(cache, name));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function copyStages(): Promise<void> {
  const source = (await go('kwok', ['list', '-m', '-f', '{{.Dir}}', MODULE_PATHS.kwok])).trim();
  const texts = STAGES.map((stage) => readFile(join(source, 'kustomize', 'stage', `${stage}.yaml`), 'utf8'));
  await mkdir(cacheOf('kwok'), { recursive: true });
  await writeFile(join(cacheOf('kwok'), STAGES_FILE), (await Promise.all(texts)).join('\n---\n'));
}

/** Runs Go in one of our modules and returns what it prints. Versions are those of go.sum, and no others. */
async function go(module: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn('go', args, {
    cwd: join(MODULES, module),
    env: { ...process.env, GOFLAGS: '-mod=readonly -buildvcs=false', CGO_ENABLED: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.once('error', (cause) =>
    reject(
      new Error(
        'the control plane is built with Go: install it (https://go.dev/dl), or set KUBEBUILDER_ASSETS',
        { cause },
      ),
    ),
  );
  child.once('close', (code) =>
    code === 0 ? resolve(output) : reject(new Error(`go ${args[0]} in ${module} ended with ${code}`)),
  );
  return promise;
}

function versionOf(module: keyof typeof MODULE_PATHS): string {
  const text = readFileSync(join(MODULES, module, 'go.mod'), 'utf8');
  const path = MODULE_PATHS[module].replaceAll('.', String.raw`\.`);
  const version = new RegExp(`^\\s*(?:require )?${path} (v\\S+)`, 'm').exec(text)?.[1];
  if (version === undefined) throw new Error(`${module}/go.mod names no version of ${MODULE_PATHS[module]}`);
  return version;
}

function cacheOf(module: keyof typeof MODULE_PATHS): string {
  const root = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const platform = `${process.platform}-${process.arch}`;
  return join(root, 'samebytes', 'control-plane', platform, `${module}-${versionOf(module)}`);
}
