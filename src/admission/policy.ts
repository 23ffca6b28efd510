import picomatch from 'picomatch';
import { normalizedName, repositoryName, type ImageReference } from '../image/reference.ts';

/**
 * What happens to a tag: `sticky` gives every Pod of a revision the digest of its first one, `follow` gives each
 * Pod the tag's digest of the moment, `off` leaves the tag.
 */
export const POLICIES = ['sticky', 'follow', 'off'] as const;
export type Policy = (typeof POLICIES)[number];

/** One rule of the operator's. An absent condition holds for everything. */
export interface PolicyRule {
  /** Globs over `registry/repository` or, where they have a tag, `registry/repository:tag`; `*` stops at a slash. */
  readonly images?: readonly string[] | undefined;
  readonly namespaces?: readonly string[] | undefined;
  /** `Kind`, or `Kind.group` for a custom resource's: `ReplicaSet`, `Cluster.postgresql.cnpg.io`; `None` for bare Pods. */
  readonly ownerKinds?: readonly string[] | undefined;
  readonly policy?: Policy | undefined;
  /** Whether annotations of Pods may choose otherwise. */
  readonly allowOptOut?: boolean | undefined;
}

export interface PolicyContext {
  readonly namespace: string;
  /** `Kind` and `Kind.group` of the Pod's owner, or `None`. */
  readonly ownerKinds: readonly string[];
  /** Whether the owner is a custom resource, whose default is `off`. */
  readonly customOwner: boolean;
}

/** The policy for one image, and why where it needs saying. */
export interface PolicyChoice {
  readonly policy: Policy;
  readonly reason: 'rule' | 'default' | 'annotation' | 'custom_owner';
  /** Whether an annotation asked for something else and may not. */
  readonly optOutRefused: boolean;
  /** Whether anything about the Pod may leave the image unpinned: the operator's rules can forbid that. */
  readonly mayOptOut: boolean;
}

/** What a Pod's `samebytes.dev/policy` annotation asks for. */
export interface PolicyAnnotation {
  readonly all: Policy | undefined;
  readonly byContainer: ReadonlyMap<string, Policy>;
  /** Parts that could not be read, for a warning. */
  readonly unreadable: readonly string[];
}

interface CompiledRule {
  readonly matches: (reference: ImageReference, context: PolicyContext) => boolean;
  readonly policy: Policy | undefined;
  readonly allowOptOut: boolean | undefined;
}

/** Reads `"sticky,istio-proxy=off,logger=follow"`: first the default, then per container. Never throws. */
export function readPolicyAnnotation(text: string): PolicyAnnotation {
  const byContainer = new Map<string, Policy>();
  const unreadable: string[] = [];
  let all: Policy | undefined;
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const equals = part.indexOf('=');
    const policy = toPolicy(part.slice(equals + 1).trim());
    const container = part.slice(0, Math.max(equals, 0)).trim();
    if (policy === undefined || (equals !== -1 && container === '')) unreadable.push(part);
    else if (equals === -1) all = policy;
    else byContainer.set(container, policy);
  }
  return { all, byContainer, unreadable };
}

/** The operator's rules, in order: the first whose conditions all hold decides. */
export class PolicyRules {
  readonly #rules: readonly CompiledRule[];
  readonly #default: Policy;

  constructor(rules: readonly PolicyRule[], defaultPolicy: Policy) {
    this.#rules = rules.map(compile);
    this.#default = defaultPolicy;
  }

  /** The policy for one image of a Pod: the rules' word, or the Pod's own where the rules allow that. */
  choose(
    reference: ImageReference,
    container: string,
    annotation: PolicyAnnotation | undefined,
    context: PolicyContext,
  ): PolicyChoice {
    const rule = this.#rules.find(({ matches }) => matches(reference, context));
    // Its controller may compare images and recreate the Pod for ever: only a rule that says so turns it on.
    const unruled = context.customOwner ? 'off' : this.#default;
    const policy = rule?.policy ?? unruled;
    const reason = rule?.policy !== undefined ? 'rule' : context.customOwner ? 'custom_owner' : 'default';
    const mayOptOut = rule?.allowOptOut !== false;
    const choice = { policy, reason, optOutRefused: false, mayOptOut } as const;
    const asked = annotation?.byContainer.get(container) ?? annotation?.all;
    if (asked === undefined || asked === policy) return choice;
    if (!mayOptOut) return { ...choice, optOutRefused: true };
    if (context.customOwner && policy === 'off') return choice;
    return { ...choice, policy: asked, reason: 'annotation' };
  }
}

function toPolicy(text: string): Policy | undefined {
  return POLICIES.find((policy) => policy === text);
}

function compile({ images, namespaces, ownerKinds, policy, allowOptOut }: PolicyRule): CompiledRule {
  const image = imageMatcher(images);
  const namespace = namespaces === undefined ? () => true : glob(namespaces);
  const kinds = ownerKinds === undefined ? undefined : new Set(ownerKinds);
  return {
    policy,
    allowOptOut,
    matches: (reference, context) =>
      namespace(context.namespace) &&
      (kinds === undefined || context.ownerKinds.some((kind) => kinds.has(kind))) &&
      image(reference),
  };
}

/** A test for images by globs over `registry/repository` and `registry/repository:tag`, in normalised form. */
export function imageMatcher(globs: readonly string[] | undefined): (reference: ImageReference) => boolean {
  if (globs === undefined) return () => true;
  const matches = glob(globs);
  return (reference) => matches(repositoryName(reference)) || matches(normalizedName(reference));
}

function glob(patterns: readonly string[]): (text: string) => boolean {
  return picomatch([...patterns], { dot: true, noextglob: true, nobrace: true, nonegate: true });
}
