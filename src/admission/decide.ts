import { isObject, type JsonObject } from '../json/json-object.ts';
import type { CredentialsFor, Keychain, PodPullSecrets } from '../credentials/keychain.ts';
import type { ImageReference } from '../image/reference.ts';
import type { PinResult, PinResults, PodPins, Recording } from '../pins/pinner.ts';
import { ownerKey, ownerOf, type PodMetadata, type PodOwner } from '../pins/revision.ts';
import type { Resolver } from '../resolver/resolver.ts';
import type { WatchedCaches } from '../telemetry/bounded-cache.ts';
import type { Waits } from '../telemetry/waits.ts';
import { changedImages } from './changed-images.ts';
import { annotationOf, IMAGES_ANNOTATION } from '../pins/recorded-images.ts';
import {
  imageResult,
  isSameForReplicas,
  servedDigest,
  type ImageResult,
  type ResultsByPolicy,
} from './image-result.ts';
import type { Decision, Mode, RevisionName } from './outcome.ts';
import { planImages, type PlannedImage } from './plan.ts';
import { InvalidPodError } from './pod-images.ts';
import { pullSecretNames } from './pull-secret-names.ts';
import type { PolicyRules } from './policy.ts';
import { ReferenceMemory } from './reference-memory.ts';
import { ReplicaMemory } from './replica-memory.ts';
import { watchedName, type RecreationGuard } from './recreation-guard.ts';
import { type AdmissionRequest } from './review.ts';
import { leavesTrace } from './owner-event.ts';
import { verdictOf, type VerdictOptions } from './verdict.ts';

export interface DeciderOptions extends VerdictOptions {
  readonly rules: PolicyRules;
  readonly pinner: PodPins;
  readonly resolver: Pick<Resolver, 'follow' | 'withRoom'>;
  readonly guard: Pick<RecreationGuard, 'shouldLeave'>;
  readonly keychain: Pick<Keychain, 'of'>;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** What a Pod is a replica of, and how the others are found. */
interface Replica {
  readonly owner: PodOwner;
  readonly labels: Readonly<Record<string, unknown>>;
  readonly secrets: PodPullSecrets;
  readonly credentialsFor: CredentialsFor;
}

/** How long there is, and where it is noted what the time went by with. */
interface Patience {
  readonly signal: AbortSignal;
  readonly waits: Waits | undefined;
}

type Wanted = Extract<PlannedImage, { do: 'sticky' | 'follow' }>;

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
const RECORDING: Readonly<Record<Mode, Recording>> = {
  enabled: 'everything',
  allow: 'what_resolved',
  audit: 'nothing',
};
const NONE: PinResults = new Map();
const NOTHING: Omit<Decision, 'outcome'> = { patch: [], warnings: [], images: [], optOutsRefused: 0 };

/** Decides about Pods; knows nothing of HTTP. */
export class Decider {
  readonly #options: DeciderOptions;
  readonly #references = new ReferenceMemory();
  readonly #replicas: ReplicaMemory;

  constructor(options: DeciderOptions) {
    this.#options = options;
    this.#replicas = new ReplicaMemory(options);
  }

  get caches(): WatchedCaches {
    return { ...this.#references.caches, ...this.#replicas.caches };
  }

  /** What to answer at once, as it was decided about another replica of the revision; undefined where that was not. Never throws. */
  known(request: AdmissionRequest, mode: Mode): Decision | undefined {
    return this.#replicas.get(request, mode);
  }

  /**
   * What to answer to one admission request. Never rejects; `signal` ends the waiting, and what has no digest by
   * then counts as failed. `waits` is told how long was waited, and for whom.
   */
  async decide(request: AdmissionRequest, mode: Mode, signal: AbortSignal, waits?: Waits): Promise<Decision> {
    try {
      return await this.#decide(request, mode, { signal, waits });
    } catch (error) {
      return decisionOnError(error, mode);
    }
  }

  async #decide(request: AdmissionRequest, mode: Mode, patience: Patience): Promise<Decision> {
    if (!isOurs(request)) return { ...NOTHING, outcome: 'ignored' };
    const pod = request.object;
    if (pod === undefined) throw new InvalidPodError('the request has no object');
    const owner = ownerOf(metadataOf(pod), request.namespace);
    const ownerName = owner.type === 'none' ? undefined : `${owner.owner.kind}/${owner.owner.name}`;
    // Not by its owner, a Node: anyone can write that, and the kubelet runs such a Pod.
    if (annotationOf(pod, MIRROR_ANNOTATION) !== undefined) {
      return { ...NOTHING, outcome: 'mirror_pod', owner: ownerName };
    }
    const changed = changedImages(request, pod);
    const plan = planImages(changed, pod, owner, request.namespace, this.#options.rules, this.#references);
    const life = lifeOf(plan.images, pod, owner, request, mode);
    const isRecreated =
      life !== undefined && (await this.#options.guard.shouldLeave(life, patience.signal, patience.waits));
    const images = isRecreated ? plan.images.map(leaveRecreated) : plan.images;
    const secrets = { namespace: request.namespace, names: pullSecretNames(pod) };
    const credentialsFor = this.#options.keychain.of(secrets);
    const replica = { owner, labels: metadataOf(pod).labels ?? {}, secrets, credentialsFor };
    const pin = this.#options.pinner.pinOf(owner);
    const results = await this.#carryOut(images, replica, request, mode, patience);
    const verdict = verdictOf({ request, pod, owner, mode, results }, this.#options);
    const isServed = verdict.denial === undefined && leavesTrace(request, mode);
    const decision: Decision = {
      ...verdict,
      warnings: [...verdict.warnings, ...plan.warnings],
      owner: ownerName,
      ownerReference: owner.type === 'none' ? undefined : owner.owner,
      revision: revisionNameOf(owner),
      served: isServed ? results.flatMap((result) => servedDigest(result, owner, secrets) ?? []) : [],
      optOutsRefused: plan.optOutsRefused,
    };
    if (pin !== undefined && life === undefined && results.every(isSameForReplicas)) {
      this.#replicas.keep(request, mode, { decision, owner, pin });
    }
    return decision;
  }

  async #carryOut(
    images: readonly PlannedImage[],
    replica: Replica,
    request: AdmissionRequest,
    mode: Mode,
    patience: Patience,
  ): Promise<ImageResult[]> {
    const wanted = images.filter(isWanted);
    // Ephemeral containers are nobody's replica: each is resolved for itself.
    const alone = wanted.filter(({ image }) => image.type === 'ephemeral');
    const shared = alone.length === 0 ? wanted : wanted.filter(({ image }) => image.type !== 'ephemeral');
    const recording = request.dryRun ? 'nothing' : RECORDING[mode];
    const asking = this.#digestsOf(shared, replica, recording, patience);
    if (alone.length === 0) {
      const results = await asking;
      return images.map((planned) => imageResult(planned, results));
    }
    const nobody: Replica = { ...replica, owner: { type: 'none' }, labels: {} };
    const [sharedResults, aloneResults] = await Promise.all([
      asking,
      this.#digestsOf(alone, nobody, recording, patience),
    ]);
    return images.map((planned) =>
      imageResult(planned, planned.image.type === 'ephemeral' ? aloneResults : sharedResults),
    );
  }

  async #digestsOf(
    wanted: readonly Wanted[],
    replica: Replica,
    recording: Recording,
    patience: Patience,
  ): Promise<ResultsByPolicy> {
    const references = distinct(wanted, 'sticky');
    const followed = distinct(wanted, 'follow');
    const pinning =
      references.size === 0
        ? NONE
        : this.#options.pinner.pin({ ...replica, references, recording, ...patience });
    if (followed.size === 0) return { sticky: await pinning, follow: NONE };
    const [sticky, follow] = await Promise.all([pinning, this.#follow(followed, replica, patience)]);
    return { sticky, follow };
  }

  async #follow(
    references: ReadonlyMap<string, ImageReference>,
    replica: Replica,
    patience: Patience,
  ): Promise<PinResults> {
    const follow = async (): Promise<PinResults> => {
      const asking = [...references].map(
        async ([name, reference]) => [name, await this.#followOne(reference, replica, patience)] as const,
      );
      return new Map(await Promise.all(asking));
    };
    try {
      return await this.#options.resolver.withRoom(references.size, patience.signal, follow);
    } catch (error) {
      return new Map([...references.keys()].map((name) => [name, { error }]));
    }
  }

  async #followOne(
    reference: ImageReference,
    { owner, credentialsFor }: Replica,
    patience: Patience,
  ): Promise<PinResult> {
    const startedAtMs = this.#options.now();
    const tookMs = (): number => Math.round(this.#options.now() - startedAtMs);
    let asked: PinResult['asked'];
    try {
      asked = await credentialsFor(reference, patience.signal, patience.waits);
      const { identity } = asked;
      const request = { reference, identity, revision: ownerKey(owner), ...patience };
      return { ...(await this.#options.resolver.follow(request)), asked, tookMs: tookMs() };
    } catch (error) {
      return { error, asked, tookMs: tookMs() };
    }
  }
}

/** Pods, when they are made or changed, and their ephemeral containers: all else is none of our business. */
function isOurs({ resource, subResource, operation }: AdmissionRequest): boolean {
  if (resource !== 'pods') return false;
  if (operation === 'CREATE') return subResource === '';
  return operation === 'UPDATE' && (subResource === '' || subResource === 'ephemeralcontainers');
}

function isWanted(image: PlannedImage): image is Wanted {
  return image.do === 'sticky' || image.do === 'follow';
}

/** The Pod as the guard knows it, where somebody may recreate this very Pod over and over since we change it. */
function lifeOf(
  images: readonly PlannedImage[],
  pod: JsonObject,
  owner: PodOwner,
  { operation, namespace, dryRun }: AdmissionRequest,
  mode: Mode,
): Parameters<RecreationGuard['shouldLeave']>[0] | undefined {
  const name = watchedName(pod);
  if (operation !== 'CREATE' || name === '' || owner.type === 'none' || !images.some(mayBeLeft))
    return undefined;
  // A reinvocation is the same life.
  if (dryRun || mode === 'audit' || annotationOf(pod, IMAGES_ANNOTATION) !== undefined) return undefined;
  return { namespace, name, owner: owner.owner, revision: ownerKey(owner) };
}

function mayBeLeft(image: PlannedImage): boolean {
  return isWanted(image) && image.mayBeLeft;
}

function leaveRecreated(planned: PlannedImage): PlannedImage {
  return mayBeLeft(planned) ? { image: planned.image, do: 'leave', reason: 'recreated' } : planned;
}

function revisionNameOf(owner: PodOwner): RevisionName | undefined {
  if (owner.type === 'revision') return { kind: owner.revision.kind, name: owner.revision.name };
  return owner.type === 'controllerRevision'
    ? { kind: 'ControllerRevision', name: owner.revision.name }
    : undefined;
}

function metadataOf(pod: JsonObject): PodMetadata {
  const metadata = pod['metadata'];
  if (!isObject(metadata)) return {};
  const { labels, ownerReferences } = metadata;
  return {
    labels: isObject(labels) ? labels : null,
    ownerReferences: Array.isArray(ownerReferences) ? ownerReferences : null,
  };
}

function distinct(
  wanted: readonly Wanted[],
  policy: 'sticky' | 'follow',
): ReadonlyMap<string, ImageReference> {
  const references = new Map<string, ImageReference>();
  for (const image of wanted) if (image.do === policy) references.set(image.name, image.reference);
  return references;
}

function decisionOnError(error: unknown, mode: Mode): Decision {
  if (error instanceof InvalidPodError) {
    const message = `samebytes: this is not a Pod: ${error.message}`;
    if (mode === 'audit') return { ...NOTHING, outcome: 'invalid_pod', warnings: [message] };
    return { ...NOTHING, outcome: 'invalid_pod', denial: { code: 403, message } };
  }
  const message = 'samebytes failed; its log says more';
  const images = [
    { container: '', reference: '', result: { is: 'failed', code: 'internal_error', error } },
  ] as const;
  if (mode !== 'enabled') return { ...NOTHING, images, outcome: 'internal_error', warnings: [message] };
  return { ...NOTHING, images, outcome: 'internal_error', denial: { code: 503, message } };
}
