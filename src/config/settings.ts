import picomatch from 'picomatch';
import { z } from 'zod';

// Each description is a field's documentation: docs/settings.md is held equal to them by a test.

const port = z.int().min(0).max(65535);
const durationMs = z
  .int()
  .min(0)
  .max(24 * 60 * 60 * 1000);
const globs = z.array(z.string().min(1).max(512).refine(isGlob, 'not a glob pattern')).min(1);
const policy = z.enum(['sticky', 'follow', 'off']);

const webhook = z.strictObject({
  host: z.string().default('').describe('Address to listen on; empty means all.'),
  port: port.default(8443).describe('Port of the webhook, over TLS; 0 takes a free one.'),
  certFile: z
    .string()
    .default('/etc/samebytes/tls/tls.crt')
    .describe('Serving certificate with its chain, in PEM.'),
  keyFile: z
    .string()
    .default('/etc/samebytes/tls/tls.key')
    .describe('Private key of the certificate, in PEM.'),
  certReloadMs: durationMs
    .min(100)
    .default(10_000)
    .describe('How often the two files are read again, in milliseconds.'),
  maxDecisionMs: durationMs
    .min(100)
    .max(30_000)
    .default(3_000)
    .describe('The most that one decision may take, in milliseconds; the API server may allow more.'),
  maxConcurrentDecisions: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe(
      'How many decisions may be made at once. Others wait; who waits longer than a decision may take is refused, or admitted with a warning where the namespace says so.',
    ),
  maxConnections: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe('How many connections may be open at once; further ones are closed.'),
});

const objectName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'not the name of a Kubernetes object');

const certificates = z.strictObject({
  source: z
    .enum(['files', 'managed'])
    .default('files')
    .describe(
      '`files`: `webhook.certFile` and `keyFile`. `managed`: samebytes makes its certificate, keeps it in a Secret, renews it, and tells the API server of its authority.',
    ),
  secret: objectName
    .default('samebytes-tls')
    .describe('Name of that Secret, in the namespace that samebytes runs in.'),
  service: objectName.default('samebytes').describe('Name of the Service that the certificate is for.'),
  extraNames: z
    .array(z.string().min(1).max(253))
    .max(20)
    .default([])
    .describe('More DNS names and IP addresses that the certificate is for.'),
  webhookConfiguration: objectName
    .default('samebytes')
    .describe('Name of the MutatingWebhookConfiguration that gets the authority.'),
  validDays: z
    .int()
    .min(1)
    .max(3650)
    .default(90)
    .describe('Life of a certificate, in days; it is renewed at two thirds of it.'),
  checkMs: durationMs
    .min(100)
    .default(5_000)
    .describe('How often Secret and webhook configuration are looked at, in milliseconds.'),
  settleMs: durationMs
    .default(5_000)
    .describe('How long the API servers may take to notice a new authority, in milliseconds.'),
});

const health = z.strictObject({
  host: z.string().default('').describe('Address to listen on; empty means all.'),
  port: port
    .default(9090)
    .describe('Port of /metrics, /healthz and /readyz, over plain HTTP; 0 takes a free one.'),
});

const dashboard = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether the process has a page of its own.'),
  port: port
    .default(9091)
    .describe(
      'Port of the page on 127.0.0.1, and never on another address: `samebytes dashboard` or `kubectl port-forward` reach it; 0 takes a free one.',
    ),
});

const shutdown = z.strictObject({
  drainMs: durationMs
    .default(5_000)
    .describe(
      'How long requests are still taken after SIGTERM, until Services know that we stop, in milliseconds.',
    ),
  graceMs: durationMs
    .default(10_000)
    .describe('How long requests under way may take after that, in milliseconds.'),
});

const rule = z.strictObject({
  images: globs
    .optional()
    .describe(
      'Globs over `registry/repository` and `registry/repository:tag`; `*` stops at a slash, `**` does not.',
    ),
  namespaces: globs.optional().describe('Globs over namespaces.'),
  ownerKinds: z
    .array(z.string().min(1).max(253))
    .min(1)
    .optional()
    .describe('Kinds of owners: `ReplicaSet`; `Kind.group` for a custom resource; `None` for bare Pods.'),
  policy: policy.optional().describe('The policy of what matches; the default policy where absent.'),
  allowOptOut: z
    .boolean()
    .optional()
    .describe(
      'false: annotations of Pods cannot choose another policy, nor is a Pod left alone that is recreated for ever. A Pod whose owner is a custom resource is, unless `policy` is set, too.',
    ),
});

const policies = z.strictObject({
  default: policy
    .default('sticky')
    .describe('The policy where no rule matches: `sticky`, `follow` or `off`.'),
  rules: z.array(rule).max(1_000).default([]).describe('Rules in order; the first that matches decides.'),
  keepTag: z.boolean().default(false).describe('Write `repo:tag@digest` instead of `repo@digest`.'),
  pullPolicy: z
    .enum(['keep', 'ifNotPresent'])
    .default('keep')
    .describe(
      '`ifNotPresent` turns Always into IfNotPresent for pinned images: the same bytes need no second pull.',
    ),
});

const pins = z.strictObject({
  store: z
    .enum(['kubernetes', 'memory'])
    .default('kubernetes')
    .describe(
      'Where pins are kept. `kubernetes`: in ImagePin objects, which live as long as their revision. `memory`: in this process, for trying out; pins end with it.',
    ),
  maxRevisions: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(50_000)
    .describe('How many revisions are kept in memory.'),
  maxRecreations: z
    .int()
    .min(0)
    .max(1_000)
    .default(10)
    .describe(
      'After so many recreations in a row, each right after it was pinned, a Pod is left alone: its controller compares images. 0: never.',
    ),
  recreatedWithinMs: durationMs.default(30_000).describe('What counts as right after, in milliseconds.'),
  checkDigestsEveryMs: durationMs
    .refine((ms) => ms === 0 || ms >= 1_000, 'a second at least, or 0 for never')
    .default(3_600_000)
    .describe(
      'How often a registry is asked at most whether it still has a digest that Pods got from a pin within a day, in milliseconds, a second at least; one HEAD, which Docker Hub counts as no pull. 0: never.',
    ),
});

const resolver = z.strictObject({
  freshnessMs: durationMs
    .default(0)
    .describe(
      'How old an answer may be that pins a new revision, in milliseconds; 0: asked for after the Pod arrived.',
    ),
  followTtlMs: durationMs
    .default(60_000)
    .describe('How old an answer may be for policy `follow`, in milliseconds.'),
  staleIfErrorMs: durationMs
    .default(900_000)
    .describe('How old it may be for `follow` while the registry is unreachable, in milliseconds.'),
  registryDeadlineMs: durationMs
    .min(100)
    .max(3_000)
    .default(2_500)
    .describe(
      'The most that one question to a registry may take in all, with tokens, redirects and the retry, in milliseconds.',
    ),
  maxTags: z.int().min(1).max(1_000_000).default(20_000).describe('How many tags are kept in memory.'),
});

const registryHost = z
  .string()
  .regex(/^[a-z0-9._\-[\]:]+$/, 'write the host in lower case, as in images, with its port if it has one');

const registry = z.strictObject({
  host: registryHost
    .refine((name) => name !== 'index.docker.io', 'Docker Hub is called docker.io')
    .describe(
      'The registry as it stands in images, with its port if it has one: `registry.example.com:5000`.',
    ),
  insecure: z.boolean().default(false).describe('Speak plain HTTP to it.'),
  caFile: z.string().optional().describe('More certificate authorities for it and its token hosts, in PEM.'),
  allowPrivateAddresses: z
    .boolean()
    .default(false)
    .describe('It may be at a private address (10.0.0.0/8 and the like).'),
  allowLoopback: z.boolean().default(false).describe('It may be on this machine (demo, tests, kind).'),
  tokenHosts: z
    .array(registryHost)
    .max(20)
    .default([])
    .describe(
      'Hosts of its token server, where that is not its own host: they may get its credentials, and be at the addresses that it may be at.',
    ),
  immutableTags: globs
    .optional()
    .describe(
      'Globs over `registry/repository:tag` of tags that never move: these may be answered from the cache.',
    ),
});

const kubernetes = z.strictObject({
  kubeconfig: z
    .string()
    .optional()
    .describe(
      'The cluster to ask, where it is not the one that we run in; without either, no cluster is asked.',
    ),
});

const log = z.strictObject({
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('The least severity that is logged. Taken from a changed file without a restart.'),
  reloadMs: durationMs
    .min(100)
    .default(10_000)
    .describe('How often the settings file is read again for another level, in milliseconds.'),
});

/** Everything that can be set, with its defaults. Unknown names are errors. */
export const settingsSchema = z.strictObject({
  webhook: webhook.prefault({}).describe('The admission webhook.'),
  certificates: certificates.prefault({}).describe('Where the serving certificate comes from.'),
  health: health.prefault({}).describe('Metrics and health.'),
  dashboard: dashboard.prefault({}).describe('The page that shows what the process does.'),
  shutdown: shutdown.prefault({}).describe('How the process stops.'),
  policies: policies.prefault({}).describe('What happens to which image.'),
  pins: pins.prefault({}).describe('The memory of what a tag meant in each revision.'),
  resolver: resolver.prefault({}).describe('How tags are looked up.'),
  registries: z
    .array(registry)
    .max(1_000)
    .default([])
    .refine(hostsDiffer, 'a host is listed twice')
    .describe('What is special about some registries; others need not be listed.'),
  kubernetes: kubernetes
    .prefault({})
    .describe('The cluster that pins are kept in, and that is asked about revisions.'),
  log: log.prefault({}).describe('The log.'),
});

export type Settings = z.output<typeof settingsSchema>;

/** The settings of someone who sets nothing. */
export function defaultSettings(): Settings {
  return settingsSchema.parse({});
}

function isGlob(pattern: string): boolean {
  try {
    picomatch.makeRe(pattern);
    return true;
  } catch {
    return false;
  }
}

function hostsDiffer(registries: readonly { readonly host: string }[]): boolean {
  return new Set(registries.map(({ host }) => host)).size === registries.length;
}
