import { expect } from '@jest/globals';
import { applyPatch, type Operation } from 'rfc6902';
import { Decider } from '../../src/admission/decide.ts';
import type { Decision, Mode, PatchOperation } from '../../src/admission/outcome.ts';
import { PolicyRules, type Policy, type PolicyRule } from '../../src/admission/policy.ts';
import { RecreationGuard } from '../../src/admission/recreation-guard.ts';
import type { AdmissionRequest } from '../../src/admission/review.ts';
import { Keychain } from '../../src/credentials/keychain.ts';
import type { PullSecrets } from '../../src/credentials/pull-secret.ts';
import { normalizedName, type ImageReference } from '../../src/image/reference.ts';
import type { ImagePin } from '../../src/pins/image-pin.ts';
import { MemoryPinStore } from '../../src/pins/memory-pin-store.ts';
import { PinMemory } from '../../src/pins/pin-memory.ts';
import type { PinStore } from '../../src/pins/pin-store.ts';
import type { SiblingImage } from '../../src/pins/siblings.ts';
import { Pinner } from '../../src/pins/pinner.ts';
import { RevisionFinder, type ControllerRevisions } from '../../src/pins/revision-finder.ts';
import { TagMoves } from '../../src/pins/tag-moves.ts';
import { sourceOf, type Identity } from '../../src/registry/identity.ts';
import { RegistryError, type RegistryErrorCode } from '../../src/registry/errors.ts';
import { Resolver, type TagSource } from '../../src/resolver/resolver.ts';
import { FakeClock } from './clock.ts';
import { CacheCounts } from './counted.ts';
import { admissionRequest } from './pods.ts';
import { noDeadline } from './signals.ts';

const ignore = (): void => {};
/** A pinner that is played. */
const REMEMBERS_NOTHING = {
  pinOf: () => undefined,
  stillHolds: () => false,
  answersStill: () => false,
};

/** A patch that changes no image: it only says which ones were left alone. */
export const ONLY_LEFT_ALONE: readonly unknown[] = [
  expect.objectContaining({ op: 'add', path: expect.stringMatching(/^\/metadata\/annotations/) }),
];

/** What a registry's own words could be: nothing of it may reach a Pod's author. */
export const REGISTRY_WORDS = 'connect ECONNREFUSED 10.0.0.7:5000';

/** Tags by normalised name, with a memory of what was asked. */
export class FakeTags implements TagSource {
  readonly asked: string[] = [];
  /** Who asked, question by question. */
  readonly askers: Identity[] = [];
  readonly #answers = new Map<string, string | Error>();

  set(name: string, digest: string): void {
    this.#answers.set(name, digest);
  }

  fail(name: string, failure: RegistryErrorCode | Error): void {
    const error =
      failure instanceof Error ? failure : new RegistryError(failure, REGISTRY_WORDS, { registry: 'r' });
    this.#answers.set(name, error);
  }

  async resolveTag(reference: ImageReference, identity: Identity): Promise<{ digest: string }> {
    const name = normalizedName(reference);
    this.asked.push(name);
    this.askers.push(identity);
    const answer = this.#answers.get(name);
    if (answer === undefined) throw new RegistryError('not_found', REGISTRY_WORDS, { registry: 'r' });
    // As the registry's client does: all of the identity, and then nobody in particular.
    const tried = [...identity.credentials, undefined].map(sourceOf);
    if (answer instanceof RegistryError && answer.tried.length === 0) throw answer.withTried(tried);
    if (answer instanceof Error) throw answer;
    return { digest: answer };
  }
}

/** The fields of a Pod that admission changes. */
export interface PodAfter {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: Readonly<
    Record<'containers' | 'initContainers' | 'ephemeralContainers', readonly ContainerAfter[]>
  > & {
    readonly volumes: readonly {
      readonly image?: { readonly reference: string; readonly pullPolicy?: string };
    }[];
  };
}

interface ContainerAfter {
  readonly name: string;
  readonly image: string;
  readonly imagePullPolicy?: string;
}

export interface Admitted {
  readonly decision: Decision;
  /** The Pod after the patch. */
  readonly pod: PodAfter;
  /** Its images by container name, of all three lists of containers. */
  readonly images: Readonly<Record<string, string>>;
  /** What its annotation `samebytes.dev/images` holds. */
  readonly recorded: unknown;
}

export interface AdmissionUnderTestOptions {
  readonly rules?: readonly PolicyRule[];
  readonly defaultPolicy?: Policy;
  readonly keepTag?: boolean;
  readonly pullPolicy?: 'keep' | 'ifNotPresent';
  readonly store?: PinStore;
  readonly pinner?: Pick<Pinner, 'pin'>;
  /** Closed on purpose, or watched; one of its own where absent. */
  readonly pinMemory?: PinMemory;
  readonly controllerRevisions?: ControllerRevisions;
  readonly secrets?: PullSecrets;
}

/** A Decider over the real pinner, pin store, revision finder and resolver; only tags and clock are played. */
export class AdmissionUnderTest {
  readonly tags = new FakeTags();
  readonly clock = new FakeClock();
  readonly counts = new CacheCounts();
  /** Who asked for manifests, question by question. */
  readonly manifestAskers: Identity[] = [];
  /** Pins as they were created. */
  readonly created: ImagePin[] = [];
  /** What runs in the revision's Pods already. */
  siblings: readonly SiblingImage[] = [];
  readonly splits: string[] = [];
  /** How many Pods of a name the cluster has seen. */
  lives = 0;
  readonly leftAlone: string[] = [];
  readonly #decider: Decider;

  constructor(options: AdmissionUnderTestOptions = {}) {
    const { rules = [], defaultPolicy = 'sticky', keepTag = false, pullPolicy = 'keep' } = options;
    const resolver = new Resolver({
      source: this.tags,
      maxTags: 1_000,
      freshnessMs: 0,
      followTtlMs: 60_000,
      staleIfErrorMs: 900_000,
      isImmutable: () => false,
      countCacheRequest: ignore,
      now: this.clock.now,
    });
    const memory = new MemoryPinStore({
      maxRevisions: 1_000,
      onCreated: (pin) => void this.created.push(pin),
      onAdded: ignore,
      onForgotten: ignore,
    });
    const pinMemory = options.pinMemory ?? openMemory(this.clock.now);
    const pinner = new Pinner({
      store: options.store ?? memory,
      memory: pinMemory,
      siblings: { imagesOf: async () => this.siblings, shareOnePlatform: async () => true },
      manifests: {
        contentOf: async (_reference, _digest, identity) => {
          this.manifestAskers.push(identity);
          return { is: 'index', manifests: [] };
        },
      },
      onSplit: (_revision, reference, digests) => void this.splits.push(`${reference} ${digests.join(' ')}`),
      tagMoves: new TagMoves({ maxTags: 10, now: this.clock.date }),
      revisions: new RevisionFinder({
        controllerRevisions: options.controllerRevisions,
        maxRevisions: 1_000,
      }),
      resolver,
      countCacheRequest: ignore,
      now: this.clock.date,
    });
    this.#decider = new Decider({
      pinner: options.pinner === undefined ? pinner : { ...REMEMBERS_NOTHING, ...options.pinner },
      resolver,
      keychain: new Keychain({
        secrets: options.secrets,
        countCacheRequest: this.counts.count,
        now: this.clock.now,
      }),
      guard: new RecreationGuard({
        maxRecreations: 10,
        withinMs: 30_000,
        lives: { count: async () => this.lives },
        onLeftAlone: ({ name }) => void this.leftAlone.push(name),
        now: this.clock.now,
      }),
      rules: new PolicyRules(rules, defaultPolicy),
      keepTag,
      pullPolicy,
      now: this.clock.now,
    });
  }

  /** As the webhook does: at once where it can. */
  async decide(request: AdmissionRequest, mode: Mode = 'enabled', signal = noDeadline()): Promise<Decision> {
    return this.known(request, mode) ?? (await this.#decider.decide(request, mode, signal));
  }

  /** As though nothing were known of other replicas. */
  decideAnew(request: AdmissionRequest, mode: Mode = 'enabled', signal = noDeadline()): Promise<Decision> {
    return this.#decider.decide(request, mode, signal);
  }

  /** What is answered at once. */
  known(request: AdmissionRequest, mode: Mode = 'enabled'): Decision | undefined {
    return this.#decider.known(request, mode);
  }

  /** Decides about `object` and applies the patch to a copy of it. */
  async admit(
    object: object,
    fields: Partial<AdmissionRequest> & { readonly mode?: Mode } = {},
  ): Promise<Admitted> {
    const { mode = 'enabled', ...request } = fields;
    const decision = await this.decide(admissionRequest(object, request), mode);
    const pod = patchedPod(object, decision.patch);
    return { decision, pod, images: imagesByName(pod), recorded: recordedIn(pod) };
  }

  /** As {@link admit}, for an UPDATE of `oldObject`. */
  update(oldObject: object, object: object, fields: Partial<AdmissionRequest> = {}): Promise<Admitted> {
    const old = oldObject as Record<string, unknown>;
    return this.admit(object, { operation: 'UPDATE', oldObject: old, ...fields });
  }
}

function openMemory(now: () => number): PinMemory {
  const memory = new PinMemory({ maxPins: 1_000, now });
  memory.open();
  return memory;
}

/** A copy of the Pod after the patch, applied by a library that the webhook does not use. @throws where it fails. */
export function patchedPod(object: object, patch: readonly PatchOperation[]): PodAfter {
  const copy = structuredClone(object);
  const problem = applyPatch(copy, structuredClone(patch) as Operation[]).find((result) => result !== null);
  if (problem) throw problem;
  return copy as PodAfter;
}

function imagesByName({ spec }: PodAfter): Record<string, string> {
  const lists = [spec?.initContainers, spec?.containers, spec?.ephemeralContainers];
  const containers = lists.flatMap((list) => (Array.isArray(list) ? (list as ContainerAfter[]) : []));
  return Object.fromEntries(containers.map(({ name, image }) => [name, image]));
}

function recordedIn({ metadata }: PodAfter): unknown {
  const text = metadata?.annotations?.['samebytes.dev/images'];
  return text === undefined ? undefined : JSON.parse(text);
}
