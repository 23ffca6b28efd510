import { styleText } from 'node:util';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { loadSettings, SettingsError } from '../config/load.ts';
import { defaultSettings } from '../config/settings.ts';
import { hostOf, InvalidReferenceError, parseReference, type ImageReference } from '../image/reference.ts';
import type { AddressRules } from '../registry/address-guard.ts';
import type { RegistryOptions } from '../registry/endpoint.ts';
import { ANONYMOUS } from '../registry/identity.ts';
import { ImageLookup, type FailedImage, type ImageAnswer } from './image-lookup.ts';
import { listImages } from './image-list.ts';
import { inParallel } from './in-parallel.ts';
import { answersAsJson } from './resolve-json.ts';
import { chooseLayout, failuresText } from './resolve-text.ts';
import { CommandError, type Surroundings } from './surroundings.ts';
import { askRegistries, registryOptions } from './wire-registry.ts';

interface Flags {
  readonly config?: string;
  readonly allowPrivate?: boolean;
  readonly allowLoopback?: boolean;
  readonly output: 'table' | 'json';
  readonly timeout: number;
  readonly platforms: boolean;
}

const MAX_AT_ONCE = 8;
const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 10 * 60_000;
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
]);

const EXAMPLES = `
Examples:
  samebytes resolve nginx:1.27 registry.example.com/shop/web:1.0
  samebytes resolve -o json nginx:1.27 | jq -r '.images[].digest'
  samebytes resolve - < images.txt      one image a line; # begins a comment

Each image is asked for once, ${MAX_AT_ONCE} at a time, without credentials. The exit status is 1 if one fails.`;

/** Adds `samebytes resolve`: what tags mean now, for a person or a script. */
export function addResolve(program: Command, surroundings: Surroundings): void {
  program
    .command('resolve')
    .description('show what tags mean now: digest, media type and platforms of images. Changes nothing')
    .argument('[image...]', 'images as they stand in a Pod; - or none: one a line from standard input')
    .addOption(
      new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'),
    )
    .option('--config <file>', 'settings in YAML, as for serve; those of registries count')
    .option('--allow-private', 'registries may be at private addresses (10.0.0.0/8 and the like)')
    .option('--allow-loopback', 'registries may be on this machine')
    .addOption(
      new Option('--timeout <duration>', 'the most that one image may take: 500ms, 10s, 1m')
        .argParser(durationMs)
        .default(DEFAULT_TIMEOUT_MS, '10s'),
    )
    .option('--no-platforms', 'do not read indexes for platforms (Docker Hub counts each reading as a pull)')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(samebytes resolve --help says more)')
    .action((images: string[], flags: Flags) => resolve(images, flags, surroundings));
}

const ignore = (): void => {};

async function resolve(args: readonly string[], flags: Flags, surroundings: Surroundings): Promise<void> {
  const { input, output } = surroundings;
  const listed = readRegistries(flags.config);
  const images = await listImages(args, input);
  const references = images.map(readable).filter((reference) => reference !== undefined);
  const registries = withFlags(listed, references.map(hostOf), flags);
  const { client, close } = askRegistries({
    registries,
    deadlineMs: flags.timeout,
    countCacheRequest: ignore,
    // Each answer says by itself what went wrong.
    events: {
      onRequest: ignore,
      onNotice: ignore,
      onPullsRemaining: ignore,
      onBreaker: ignore,
      onDeniedFast: ignore,
    },
  });
  const lookup = new ImageLookup({
    source: client,
    identityOf: async () => ANONYMOUS,
    rulesOf: rulesAmong(registries),
    timeoutMs: flags.timeout,
    readPlatforms: flags.platforms,
    cancelled: output.closed,
    now: () => performance.now(),
  });
  try {
    const answers = inParallel(images, MAX_AT_ONCE, (image) => lookup.ask(image));
    await (flags.output === 'json'
      ? printJson(answers, output)
      : printTable(answers, references, flags, surroundings));
  } catch (error) {
    // Nobody reads the rest: that is no failure.
    if (error !== output.closed.reason) throw error;
  } finally {
    await close();
  }
}

async function printJson(
  answers: readonly Promise<ImageAnswer>[],
  output: Surroundings['output'],
): Promise<void> {
  const all = await Promise.all(answers);
  output.write(answersAsJson(all));
  const failed = all.filter(({ is }) => is === 'failed').length;
  if (failed > 0) throw new CommandError(`${failedOf(failed, all.length)}: see \`failure\` in the output`);
}

async function printTable(
  answers: readonly Promise<ImageAnswer>[],
  references: readonly ImageReference[],
  flags: Flags,
  { output, env }: Surroundings,
): Promise<void> {
  const isColoured = output.isTTY && !env['NO_COLOR'];
  const layout = chooseLayout({
    references,
    columns: output.columns,
    showPlatforms: flags.platforms,
    emphasize: (text) => (isColoured ? styleText('bold', text, { validateStream: false }) : text),
  });
  const failed: FailedImage[] = [];
  let { header } = layout;
  for (const pending of answers) {
    const answer = await pending;
    if (answer.is === 'failed') failed.push(answer);
    else {
      output.write((header ?? '') + layout.image(answer));
      header = undefined;
    }
  }
  if (failed.length === 0) return;
  throw new CommandError(`${failedOf(failed.length, answers.length)}\n\n${failuresText(failed)}`);
}

function failedOf(failed: number, total: number): string {
  return total === 1
    ? 'the image could not be resolved'
    : `${failed} of ${total} images could not be resolved`;
}

function readRegistries(file: string | undefined): RegistryOptions[] {
  try {
    // What the environment sets is for the webhook.
    const settings = file === undefined ? defaultSettings() : loadSettings(file, { flags: {}, env: {} });
    return registryOptions(settings.registries);
  } catch (error) {
    if (error instanceof SettingsError) throw new CommandError(error.message, { cause: error });
    throw error;
  }
}

/**
 * The registries with what the flags open: whoever sits at a terminal has named them. They are listed then, so that
 * their names are looked up as on this machine.
 */
function withFlags(
  listed: readonly RegistryOptions[],
  hosts: readonly string[],
  { allowPrivate = false, allowLoopback = false }: Flags,
): readonly RegistryOptions[] {
  if (!allowPrivate && !allowLoopback) return listed;
  const known = new Set(listed.map(({ host }) => host));
  const others = [...new Set(hosts)].filter((host) => !known.has(host));
  const plain = { insecure: false, ca: undefined, tokenHosts: [], allowPrivate: false, allowLoopback: false };
  return [...listed, ...others.map((host) => ({ host, ...plain }))].map((registry) => ({
    ...registry,
    allowPrivate: registry.allowPrivate || allowPrivate,
    allowLoopback: registry.allowLoopback || allowLoopback,
  }));
}

function rulesAmong(registries: readonly RegistryOptions[]): (host: string) => AddressRules {
  const rules = new Map(registries.map((registry) => [registry.host, registry]));
  return (host) => rules.get(host) ?? { allowPrivate: false, allowLoopback: false };
}

function readable(image: string): ImageReference | undefined {
  try {
    return parseReference(image);
  } catch (error) {
    if (error instanceof InvalidReferenceError) return undefined;
    throw error;
  }
}

/** Milliseconds of a duration as people write it; a bare number means seconds, as kubectl takes it. */
function durationMs(text: string): number {
  const { amount = '', unit = 's' } =
    /^(?<amount>\d{1,6}(?:\.\d{1,3})?)(?<unit>ms|s|m)?$/.exec(text)?.groups ?? {};
  const ms = Number(amount) * (UNIT_MS.get(unit) ?? 0);
  if (amount === '' || ms < 1 || ms > MAX_TIMEOUT_MS) {
    throw new InvalidArgumentError('It is a duration from 1ms to 10m, for example 500ms, 10s or 1m.');
  }
  return ms;
}
