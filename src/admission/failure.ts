import type { PullCredentials } from '../credentials/keychain.ts';
import type { SecretProblem } from '../credentials/secret-problem.ts';
import { PinStoreError } from '../pins/pin-store.ts';
import type { PodOwner } from '../pins/revision.ts';
import { REGISTRY_ERROR_CODES, RegistryError } from '../registry/errors.ts';
import { sourceOf } from '../registry/identity.ts';

/**
 * Why an image gets no digest: a field of the log and the label `code` of `samebytes_images_failed_total`.
 * docs/outcomes.md explains each one; a test holds the two lists equal.
 */
export const FAILURE_CODES = [
  ...REGISTRY_ERROR_CODES,
  'deadline',
  'pin_unreadable',
  'pin_unwritable',
  'internal_error',
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

/** Why one image got no digest, in words that a Pod's author may read: a class and a next step, no more. */
export interface Failure {
  readonly code: FailureCode;
  readonly what: string;
  readonly nextStep: string;
  /** The status of a denial: 503 where trying again may help, 403 where somebody has to change something. */
  readonly status: 403 | 503;
  /** The Pod's pull secrets that could not be used, where they may be the reason. */
  readonly problems: readonly SecretProblem[];
}

/** Thrown by signals that end when an admission has to be answered. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  readonly code = 'deadline';
}

/** Stands for the advice that depends on who makes the Pods. */
const RETRY = Symbol('try again');
/** So many are named: credentials of the Pod, and nobody in particular. */
const MAX_TRIED = 6;
/** A Secret's name may have 253 characters; a message about 128 images has to stay readable. */
const MAX_NAME_LENGTH = 80;
const ASK_OPERATOR = 'the log of samebytes says more';

type FailureText = Omit<Failure, 'code' | 'nextStep' | 'problems'> & {
  readonly nextStep: string | typeof RETRY;
};

const REGISTRY_FAILURES: Readonly<Record<RegistryError['code'], FailureText>> = {
  unreachable: { what: 'the registry is unreachable', nextStep: RETRY, status: 503 },
  throttled: { what: 'the registry throttles us', nextStep: RETRY, status: 503 },
  denied: {
    what: 'the registry denied access',
    nextStep:
      'check that the image exists; if it is private, name a Secret for this registry in imagePullSecrets',
    status: 403,
  },
  not_found: { what: 'the registry has no such tag', nextStep: 'push it, or correct the image', status: 403 },
  policy: {
    what: "the registry's policy forbids this image",
    nextStep: 'ask whoever runs the registry (a scan or a signature may be missing)',
    status: 403,
  },
  certificate: {
    what: "the registry's certificate has expired or is not trusted",
    nextStep: 'renew it, or the operator of samebytes can set `registries[].caFile`',
    status: 403,
  },
  forbidden_address: {
    what: 'the registry is at a private or closed address',
    nextStep:
      'the operator of samebytes can list it with `registries[].allowPrivateAddresses` or `allowLoopback`',
    status: 403,
  },
  schema1: {
    what: 'the image is in the old format "schema 1", which no node can run',
    nextStep: 'build and push it again',
    status: 403,
  },
  invalid_answer: {
    what: 'the registry gave no valid answer',
    nextStep: 'check that the host in the image is a registry; the log of samebytes says more',
    status: 403,
  },
};

/** A registry says these, too, to those whom it does not know. */
const MAY_BE_CREDENTIALS: ReadonlySet<Failure['code']> = new Set(['denied', 'not_found']);

/**
 * Turns any error into its words, for whom it was `asked` where that is known. Nothing of the error's own message gets in:
 * that is for the log.
 */
export function failureOf(error: unknown, owner: PodOwner, asked?: PullCredentials): Failure {
  const { code, ...text } = describe(error, asked);
  const nextStep = text.nextStep === RETRY ? retryAdvice(owner) : text.nextStep;
  const problems = MAY_BE_CREDENTIALS.has(code) ? (asked?.problems ?? []) : [];
  const status = problems.some(({ passes }) => passes) ? 503 : text.status;
  return { ...text, code, nextStep, status, problems };
}

/**
 * Whose credentials were tried, by the names of their Secrets: those that were really sent, where the registry's client says
 * so. Its answer may be shared with Pods whose Secrets hold the same under other names, which are nobody else's business.
 */
export function triedBy(error: unknown, asked: PullCredentials | undefined): readonly string[] {
  const credentials = asked?.identity.credentials.slice(0, MAX_TRIED - 1) ?? [];
  const own = [...new Set([...credentials, undefined].map(sourceOf))];
  const sent = error instanceof RegistryError ? error.tried : [];
  const isOwn = asked === undefined || sent.every((name) => own.includes(name));
  const names = sent.length > 0 && isOwn ? sent : own;
  return names.slice(0, MAX_TRIED);
}

function describe(error: unknown, asked: PullCredentials | undefined): FailureText & Pick<Failure, 'code'> {
  if (error instanceof RegistryError) {
    const text = REGISTRY_FAILURES[error.code];
    return { code: error.code, ...text, ...(error.code === 'denied' ? deniedTo(error, asked, text) : {}) };
  }
  if (error instanceof PinStoreError) {
    const what = error.code === 'pin_unreadable' ? 'its pin cannot be read' : 'its pin cannot be recorded';
    return { code: error.code, what, nextStep: RETRY, status: 503 };
  }
  if (error instanceof DeadlineError) {
    return { code: 'deadline', what: 'no answer from the registry in time', nextStep: RETRY, status: 503 };
  }
  return { code: 'internal_error', what: 'samebytes failed', nextStep: ASK_OPERATOR, status: 503 };
}

function deniedTo(
  error: RegistryError,
  asked: PullCredentials | undefined,
  { what, nextStep }: FailureText,
): Partial<FailureText> {
  const tried = triedBy(error, asked).map((name) => name.slice(0, MAX_NAME_LENGTH));
  const whom = { what: `${what} (tried: ${tried.join(', ')})` };
  const sources = tried.filter((name) => name !== sourceOf(undefined));
  if (sources.length > 0) {
    const users = `the ${sources.length === 1 ? 'user' : 'users'} in ${sources.join(' and ')}`;
    return { ...whom, nextStep: `check that ${users} may pull this image, with that password` };
  }
  if (asked?.noneMatches !== true) return { ...whom, nextStep };
  return {
    ...whom,
    nextStep: "none of the Pod's imagePullSecrets is for this registry: check their entries",
  };
}

/**
 * When the Pod is tried again. Controllers back off to 1,000 s (kubernetes pkg/controller and client-go's rate
 * limiters), the Job controller to 60 s.
 */
function retryAdvice(owner: PodOwner): string {
  if (owner.type === 'none') return 'create the Pod again in a while';
  const { kind } = owner.owner;
  if (kind === 'Job') return 'the Job tries again by itself within a minute';
  const byItself = `the ${kind} tries again by itself, after up to 17 minutes`;
  const restartable = kind === 'ReplicaSet' || owner.type === 'controllerRevision';
  return restartable ? `${byItself}; \`kubectl rollout restart\` tries at once` : byItself;
}
