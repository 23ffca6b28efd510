import { DeadlineError } from '../admission/failure.ts';
import { InvalidReferenceError } from '../image/reference.ts';
import type { AddressRules } from '../registry/address-guard.ts';
import { RegistryError, type RegistryErrorCode } from '../registry/errors.ts';
import { causeOf, type Cause } from './failure-cause.ts';

/** Why one image got no digest, for a person at a terminal, who may know more than a Pod's author: the cause as well. */
export interface ResolveFailure {
  readonly class: RegistryErrorCode | 'deadline' | 'invalid_reference';
  readonly message: string;
  /** What happened in detail; never a secret, and nothing of a registry's body. */
  readonly cause: string | undefined;
  readonly nextStep: string;
}

type FailureText = Pick<ResolveFailure, 'message' | 'nextStep'>;

const NAMED_LIKE_THIS =
  'write it as in a Pod: [registry/]repository[:tag][@digest], without https:// or docker://';
const SETTINGS = 'in the settings (--config FILE)';

const REGISTRY_FAILURES: Readonly<Record<RegistryErrorCode, FailureText>> = {
  unreachable: {
    message: 'the registry is unreachable',
    nextStep: 'check the host in the image and the network (proxies are not used), or try again later',
  },
  throttled: {
    message: 'the registry throttles us',
    nextStep: 'try again later; with --no-platforms fewer requests are made, and none that Docker Hub counts',
  },
  denied: {
    message: 'the registry denied access (tried: anonymous)',
    nextStep:
      'check the spelling: many registries say this of images that do not exist. Private images cannot be resolved yet',
  },
  not_found: {
    message: 'the registry has no such image',
    nextStep: 'check repository and tag or digest, or push it',
  },
  policy: {
    message: "the registry's policy forbids this image",
    nextStep: 'ask whoever runs the registry (a scan or a signature may be missing)',
  },
  certificate: {
    message: "the registry's certificate is not trusted",
    nextStep: `trust its authority with \`registries[].caFile\` ${SETTINGS}`,
  },
  forbidden_address: { message: 'the registry is at a private or closed address', nextStep: '' },
  invalid_answer: {
    message: 'the registry gave no valid answer',
    nextStep: 'check that the host in the image is a registry',
  },
};

const ALL_CLOSED: AddressRules = { allowPrivate: false, allowLoopback: false };

/**
 * Words for an error of resolving one image; `rules` are those that its registry is under.
 * @throws {unknown} the error itself, where it is none that resolving can end in: a fault of ours.
 */
export function explainFailure(error: unknown, rules: AddressRules = ALL_CLOSED): ResolveFailure {
  if (error instanceof InvalidReferenceError) {
    const message = 'Kubernetes cannot read this image';
    return { class: error.code, message, cause: error.message, nextStep: NAMED_LIKE_THIS };
  }
  if (error instanceof DeadlineError) {
    const nextStep = 'try again, or allow more time with --timeout';
    return { class: error.code, message: 'no answer in time', cause: error.message, nextStep };
  }
  if (!(error instanceof RegistryError)) throw error;
  const { message, nextStep } = REGISTRY_FAILURES[error.code];
  const cause = causeOf(error);
  const better =
    error.code === 'forbidden_address' ? openingAdvice(rules) : betterAdvice(error, cause, rules);
  return { class: error.code, message, cause: cause.text, nextStep: better ?? nextStep };
}

function betterAdvice(
  { code, registry, retryAfterMs }: RegistryError,
  cause: Cause,
  { allowPrivate }: AddressRules,
): string | undefined {
  if (code === 'throttled' && retryAfterMs !== undefined) {
    return `try again in ${Math.ceil(retryAfterMs / 1000)} s, as the registry asks`;
  }
  if (cause.kind === 'no_tls') {
    return `if it speaks plain HTTP, say so ${SETTINGS}: registries: [{ host: '${registry}', insecure: true }]`;
  }
  if (cause.kind === 'unknown_host') {
    const ownName = '; a name that only your own network knows needs --allow-private';
    return `check the spelling of the host${allowPrivate ? '' : ownName}`;
  }
  if (cause.kind === 'bad_certificate') return 'ask whoever runs the registry: trusting it would not help';
  return undefined;
}

/** How to open an address, of the ways that are not taken yet. Some addresses are closed whatever is set. */
function openingAdvice({ allowPrivate, allowLoopback }: AddressRules): string {
  const ways = [
    ...(allowLoopback ? [] : ['--allow-loopback (on this machine)']),
    ...(allowPrivate ? [] : ['--allow-private (in your own network)']),
  ];
  if (ways.length === 0) return 'no registry may be there (link-local, multicast, metadata of a cloud)';
  return `if it is meant to be there: ${ways.join(' or ')}, or list it ${SETTINGS}`;
}
