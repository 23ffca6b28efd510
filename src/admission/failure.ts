import { PinStoreError } from '../pins/pin-store.ts';
import type { PodOwner } from '../pins/revision.ts';
import { REGISTRY_ERROR_CODES, RegistryError } from '../registry/errors.ts';

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
}

/** Thrown by signals that end when an admission has to be answered. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  readonly code = 'deadline';
}

/** Stands for the advice that depends on who makes the Pods. */
const RETRY = Symbol('try again');
const ASK_OPERATOR = 'the log of samebytes says more';

type FailureText = Omit<Failure, 'code' | 'nextStep'> & { readonly nextStep: string | typeof RETRY };

const REGISTRY_FAILURES: Readonly<Record<RegistryError['code'], FailureText>> = {
  unreachable: { what: 'the registry is unreachable', nextStep: RETRY, status: 503 },
  throttled: { what: 'the registry throttles us', nextStep: RETRY, status: 503 },
  denied: {
    what: 'the registry denied access (tried: anonymous)',
    nextStep: 'check that the image exists and may be pulled without credentials',
    status: 403,
  },
  not_found: { what: 'the registry has no such tag', nextStep: 'push it, or correct the image', status: 403 },
  policy: {
    what: "the registry's policy forbids this image",
    nextStep: 'ask whoever runs the registry (a scan or a signature may be missing)',
    status: 403,
  },
  certificate: {
    what: "the registry's certificate is not trusted",
    nextStep: 'the operator of samebytes can set `registries[].caFile`',
    status: 403,
  },
  forbidden_address: {
    what: 'the registry is at a private or closed address',
    nextStep:
      'the operator of samebytes can list it with `registries[].allowPrivateAddresses` or `allowLoopback`',
    status: 403,
  },
  invalid_answer: {
    what: 'the registry gave no valid answer',
    nextStep: 'check that the host in the image is a registry; the log of samebytes says more',
    status: 403,
  },
};

/** Turns any error into its words. Nothing of the error's own message gets in: that is for the log. */
export function failureOf(error: unknown, owner: PodOwner): Failure {
  const { code, ...text } = describe(error);
  return { ...text, code, nextStep: text.nextStep === RETRY ? retryAdvice(owner) : text.nextStep };
}

function describe(error: unknown): FailureText & Pick<Failure, 'code'> {
  if (error instanceof RegistryError) return { code: error.code, ...REGISTRY_FAILURES[error.code] };
  if (error instanceof PinStoreError) {
    const what = error.code === 'pin_unreadable' ? 'its pin cannot be read' : 'its pin cannot be recorded';
    return { code: error.code, what, nextStep: RETRY, status: 503 };
  }
  if (error instanceof DeadlineError) {
    return { code: 'deadline', what: 'no answer from the registry in time', nextStep: RETRY, status: 503 };
  }
  return { code: 'internal_error', what: 'samebytes failed', nextStep: ASK_OPERATOR, status: 503 };
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
