import { isIP } from 'node:net';
import { DeadlineError } from '../admission/failure.ts';
import { InvalidReferenceError } from '../image/reference.ts';
import { isForbidden, type AddressRules } from '../registry/address-guard.ts';
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

/** The registry of the image, as it stands there, and which addresses it may be at as things are. */
export interface AskedRegistry extends AddressRules {
  readonly host: string;
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
  schema1: {
    message: 'the image is in the old format "schema 1", which no runtime takes any more',
    nextStep: 'build and push it again',
  },
  invalid_answer: {
    message: 'the registry gave no valid answer',
    nextStep: 'check that the host in the image is a registry',
  },
};

/**
 * Words for an error of resolving one image; `asked` is undefined where nobody could read which registry it names.
 * @throws {unknown} the error itself, where it is none that resolving can end in: a fault of ours.
 */
export function explainFailure(error: unknown, asked: AskedRegistry | undefined): ResolveFailure {
  if (error instanceof InvalidReferenceError) {
    const message = 'Kubernetes cannot read this image';
    return { class: error.code, message, cause: error.message, nextStep: NAMED_LIKE_THIS };
  }
  if (error instanceof DeadlineError) {
    const nextStep = 'try again, or allow more time with --timeout';
    return { class: error.code, message: 'no answer in time', cause: error.message, nextStep };
  }
  if (!(error instanceof RegistryError) || asked === undefined) throw error;
  const { message, nextStep } = REGISTRY_FAILURES[error.code];
  const cause = causeOf(error);
  return {
    class: error.code,
    message,
    cause: cause.text,
    nextStep: betterAdvice(error, cause, asked) ?? nextStep,
  };
}

function betterAdvice(
  { code, registry, retryAfterMs }: RegistryError,
  { kind }: Cause,
  asked: AskedRegistry,
): string | undefined {
  if (code === 'forbidden_address') return openingAdvice(registry, asked);
  if (code === 'throttled' && retryAfterMs !== undefined) {
    return `try again in ${Math.ceil(retryAfterMs / 1000)} s, as the registry asks`;
  }
  // A token server or the end of a redirect is no registry that could be listed.
  if (kind === 'no_tls' && registry === asked.host) {
    return `if it speaks plain HTTP, say so ${SETTINGS}: registries: [{ host: '${registry}', insecure: true }]`;
  }
  if (kind === 'unknown_host') {
    const ownName = '; a name that only your own network knows needs --allow-private';
    return `check the spelling of the host, and the network (proxies are not used)${asked.allowPrivate ? '' : ownName}`;
  }
  if (kind === 'bad_certificate') return 'ask whoever runs the registry: trusting it would not help';
  return undefined;
}

/**
 * How to open the address of `contacted`, of the ways that are not taken yet: where the address is written out, only
 * those that help. Some addresses are closed whatever is set.
 */
function openingAdvice(contacted: string, { allowPrivate, allowLoopback }: AddressRules): string {
  const loopback = !allowLoopback && mayOpen(contacted, { allowPrivate, allowLoopback: true });
  const privateNetwork = !allowPrivate && mayOpen(contacted, { allowPrivate: true, allowLoopback });
  const ways = [
    ...(loopback ? ['--allow-loopback (on this machine)'] : []),
    ...(privateNetwork ? ['--allow-private (in your own network)'] : []),
  ];
  if (ways.length === 0) return 'no registry may be there (link-local, multicast, metadata of a cloud)';
  return `if it is meant to be there: ${ways.join(' or ')}, or list it ${SETTINGS}`;
}

function mayOpen(contacted: string, rules: AddressRules): boolean {
  const host = new URL(`https://${contacted}`).hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost') return rules.allowLoopback;
  return isIP(host) === 0 || !isForbidden(host, rules);
}
