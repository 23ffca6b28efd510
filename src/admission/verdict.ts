import type { JsonObject } from '../json/json-object.ts';
import { withDigest, type ImageReference } from '../image/reference.ts';
import type { PodOwner } from '../pins/revision.ts';
import { masked } from '../telemetry/redact.ts';
import { failureOf, triedBy, type Failure } from './failure.ts';
import {
  annotationFits,
  readRecordedImages,
  writeRecordedImages,
  IMAGES_ANNOTATION,
  type RecordedImage,
} from '../pins/recorded-images.ts';
import type { Decision, ImageDecision, Mode, Outcome, PatchOperation } from './outcome.ts';
import type { FailedResult, ImageResult, PinnedResult } from './image-result.ts';
import { leftAlone, LEFT_ALONE_ANNOTATION } from './left-alone.ts';
import { annotationPatch, type AnnotationChanges } from './patch.ts';
import { podImages, type PodImage } from './pod-images.ts';
import type { AdmissionRequest } from './review.ts';

export interface VerdictOptions {
  readonly keepTag: boolean;
  readonly pullPolicy: 'keep' | 'ifNotPresent';
}

export interface VerdictInput {
  readonly request: AdmissionRequest;
  readonly pod: JsonObject;
  readonly owner: PodOwner;
  readonly mode: Mode;
  readonly results: readonly ImageResult[];
}

type Verdict = Pick<Decision, 'outcome' | 'denial' | 'patch' | 'warnings' | 'images' | 'notPinned'>;

/** How many images a denial names; the log has them all. */
const MAX_NAMED_IMAGES = 5;
/** How much of a name or an image gets into logs and audit annotations: nothing is validated yet when we are asked. */
const MAX_REPORTED_CHARACTERS = 1_000;

/** How many pull secrets that could not be used. */
const MAX_NAMED_PROBLEMS = 5;
const TOO_LARGE = `the Pod's annotations are too large to add ${IMAGES_ANNOTATION}`;

/** Turns what became of each image into one answer: refuse, admit with a patch, or admit as it is. */
export function verdictOf(input: VerdictInput, options: VerdictOptions): Verdict {
  const { mode, owner, results } = input;
  const pinned = results.filter((result): result is PinnedResult => result.is === 'pinned');
  const failed = results.filter((result): result is FailedResult => result.is === 'failed');
  // An outage must not block `kubectl debug`.
  const fatal = failed.filter(({ image }) => image.type !== 'ephemeral');
  const images = results.map((result) => toImageDecision(result, owner));
  const warnings = [
    ...results.flatMap((result) => warningsOf(result, mode, owner)),
    ...secretWarnings(results),
  ];

  if (mode === 'audit') {
    const outcome =
      fatal.length > 0 ? 'would_refuse' : pinned.length > 0 ? 'would_pin' : idleOutcome(results);
    return { outcome, patch: [], warnings, images };
  }
  if (mode === 'enabled' && fatal.length > 0) {
    return { outcome: 'refused', denial: denialOf(fatal, owner), patch: [], warnings: [], images };
  }
  // The subresource takes ephemeral containers only and drops every other change.
  const text = input.request.subResource === '' ? imagesText(input.pod, pinned) : undefined;
  const fits = text === undefined || annotationFits(input.pod, text);
  const patch = patchOf(input, pinned, fits ? text : undefined, options);
  const outcome = outcomeOf(pinned, failed, results);
  const notPinned = results.filter(isUnexpected).flatMap((result) => warningsOf(result, mode, owner));
  return { outcome, patch, warnings: fits ? warnings : [...warnings, TOO_LARGE], images, notPinned };
}

/** Whether whoever looks after the owner should hear of it: neither policy nor the reference itself made it so. */
function isUnexpected(result: ImageResult): boolean {
  if (result.is === 'left') return result.reason === 'custom_owner';
  return result.is === 'failed' || result.notRecorded !== undefined;
}

function outcomeOf(
  pinned: readonly PinnedResult[],
  failed: readonly FailedResult[],
  results: readonly ImageResult[],
): Outcome {
  if (failed.length > 0) return 'admitted_unpinned';
  if (pinned.some(({ notRecorded }) => notRecorded !== undefined)) return 'not_recorded';
  return pinned.length > 0 ? 'pinned' : idleOutcome(results);
}

function idleOutcome(results: readonly ImageResult[]): Outcome {
  return results.length > 0 ? 'left_alone' : 'nothing_to_pin';
}

function denialOf(failed: readonly FailedResult[], owner: PodOwner): NonNullable<Decision['denial']> {
  const failures = new Map(
    failed.map(({ image, reference, error, asked }) => [
      imageText(image, reference),
      failureOf(error, owner, asked),
    ]),
  );
  const named = [...failures].slice(0, MAX_NAMED_IMAGES);
  const texts = named.map(([image, { what, nextStep }]) => `cannot pin image ${image}: ${what}; ${nextStep}`);
  const more = failures.size - named.length;
  if (more > 0) texts.push(`and ${more} more images`);
  const problems = new Set(
    [...failures.values()].flatMap((failure) => failure.problems.map(({ text }) => text)),
  );
  texts.push(...[...problems].slice(0, MAX_NAMED_PROBLEMS));
  return { code: worstStatus([...failures.values()]), message: `samebytes: ${texts.join('. ')}` };
}

/** The image as written, and its registry where the author left that out. */
function imageText({ image }: PodImage, { domain }: ImageReference): string {
  return image.startsWith(domain) ? quote(image) : `${quote(image)} (${domain})`;
}

/** What somebody has to mend counts more than what passes by itself. */
function worstStatus(failures: readonly Failure[]): Failure['status'] {
  const statuses = new Set(failures.map(({ status }) => status));
  return statuses.has(403) ? 403 : 503;
}

function patchOf(
  input: VerdictInput,
  pinned: readonly PinnedResult[],
  annotation: string | undefined,
  { keepTag, pullPolicy }: VerdictOptions,
): PatchOperation[] {
  const { request, pod } = input;
  const operations = pinned.flatMap(({ image, reference, digest }): PatchOperation[] => {
    const value = withDigest(reference, digest, { keepTag });
    const replace: PatchOperation = { op: 'replace', path: image.imagePath, value };
    // The API server has set Always for `:latest` by now; the same bytes need no second pull. A running
    // container's pull policy cannot be changed.
    const mayRelax = request.operation === 'CREATE' || image.type === 'ephemeral';
    const relax = pullPolicy === 'ifNotPresent' && mayRelax && image.pullPolicy === 'Always';
    return relax
      ? [replace, { op: 'replace', path: image.pullPolicyPath, value: 'IfNotPresent' }]
      : [replace];
  });
  if (request.subResource !== '') return operations;
  return [...operations, ...annotationPatch(pod, annotationsFor(input, annotation))];
}

function annotationsFor({ request, results }: VerdictInput, text: string | undefined): AnnotationChanges {
  return {
    ...(text === undefined ? {} : { [IMAGES_ANNOTATION]: text }),
    ...(request.operation === 'CREATE' ? { [LEFT_ALONE_ANNOTATION]: leftAlone(results) } : {}),
  };
}

/** What the annotation of the images is to say; undefined where nothing was pinned and it stays as it is. */
function imagesText(pod: JsonObject, pinned: readonly PinnedResult[]): string | undefined {
  return pinned.length === 0 ? undefined : writeRecordedImages(recordedImages(pod, pinned));
}

/** What the annotation should say: entries that still hold, and the new ones, by name. */
function recordedImages(
  pod: JsonObject,
  pinned: readonly PinnedResult[],
): ReadonlyMap<string, RecordedImage> {
  const recorded = [...readRecordedImages(pod)];
  const current = new Map(
    recorded.length === 0 ? [] : podImages(pod).map(({ name, image }) => [name, image]),
  );
  const kept = recorded.filter(([name, { digest }]) => current.get(name)?.endsWith(`@${digest}`));
  const added = pinned.map(({ image, reference, digest }): [string, RecordedImage] => [
    image.name,
    { reference: reference.written, digest },
  ]);
  return new Map([...kept, ...added]);
}

function toImageDecision(result: ImageResult, owner: PodOwner): ImageDecision {
  const { image } = result;
  const shared = {
    container: shorten(image.name, MAX_REPORTED_CHARACTERS),
    // Before it is cut: without what stands behind it a password is not known as one.
    reference: shorten(masked(image.image), MAX_REPORTED_CHARACTERS),
  };
  if (result.is === 'pinned') {
    const { digest, source } = result;
    return { ...shared, result: { is: 'pinned', digest, source, ...tookMsOf(result) } };
  }
  if (result.is === 'left') return { ...shared, result: { is: 'left', reason: result.reason } };
  return {
    ...shared,
    result: {
      is: 'failed',
      code: failureOf(result.error, owner).code,
      ...(result.asked === undefined ? {} : { tried: triedBy(result.error, result.asked) }),
      error: result.error,
      ...tookMsOf(result),
    },
  };
}

function tookMsOf({ tookMs }: PinnedResult | FailedResult): { readonly tookMs?: number } {
  return tookMs === undefined ? {} : { tookMs };
}

/** Pull secrets that could not be used where a registry was asked: the node will miss them as well. */
function secretWarnings(results: readonly ImageResult[]): string[] {
  const problems = results.flatMap((result) => (result.is === 'left' ? [] : (result.asked?.problems ?? [])));
  return problems.length === 0 ? [] : [...new Set(problems.map(({ text }) => text))];
}

function warningsOf(result: ImageResult, mode: Mode, owner: PodOwner): string[] {
  // Nearly always, and no words are needed.
  if (result.is === 'pinned' && mode !== 'audit' && result.notRecorded === undefined) return [];
  const what = `${result.image.name}: ${quote(result.image.image)}`;
  if (result.is === 'failed') {
    const { what: why } = failureOf(result.error, owner, result.asked);
    if (mode !== 'audit') return [`${what} runs by its tag, not pinned: ${why}`];
    return [`${result.image.type === 'ephemeral' ? 'would not pin' : 'would refuse'} ${what}: ${why}`];
  }
  if (result.is === 'pinned') {
    const { digest, notRecorded } = result;
    if (mode === 'audit') return [`would pin ${what} to ${digest}`];
    if (notRecorded === undefined) return [];
    const why = notRecorded === 'full' ? 'its pin is full' : failureOf(notRecorded, owner).what;
    return [`${what} is pinned for this Pod alone, not recorded: ${why}`];
  }
  if (result.reason === 'invalid_reference') {
    return [`${what} is not an image reference, left alone: ${result.detail ?? ''}`];
  }
  if (result.reason === 'recreated') {
    return [
      `${what} is left alone: this Pod was recreated over and over right after it was pinned; does its controller compare images?`,
    ];
  }
  if (result.reason === 'custom_owner') {
    return [`${what} is left alone: the owner is a custom resource; a rule of the operator's can turn it on`];
  }
  return [];
}

function quote(text: string): string {
  return JSON.stringify(shorten(masked(text), 100));
}

function shorten(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}
