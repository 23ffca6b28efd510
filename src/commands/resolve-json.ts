import { hostOf } from '../image/reference.ts';
import type { ImageAnswer, Platforms } from './image-lookup.ts';
import { printableJson } from './printable.ts';
import type { ResolveFailure } from './resolve-failure.ts';

/**
 * The answers as `-o json` prints them. Every image has every field, null where there is nothing to say; the names are
 * a promise to users.
 */
export function answersAsJson(answers: readonly ImageAnswer[]): string {
  return printableJson({ images: answers.map(imageFields) });
}

function imageFields(answer: ImageAnswer): Readonly<Record<string, unknown>> {
  const { reference, durationMs } = answer;
  const found = answer.is === 'found' ? answer : undefined;
  const digest = found?.digest ?? reference?.digest;
  const digestFrom = reference?.digest === undefined ? 'registry' : 'reference';
  return {
    image: reference?.written ?? (answer.is === 'failed' ? answer.written : ''),
    registry: reference === undefined ? null : hostOf(reference),
    repository: reference?.path ?? null,
    tag: reference?.tag ?? null,
    digest: digest ?? null,
    digestFrom: digest === undefined ? null : digestFrom,
    mediaType: found?.mediaType ?? null,
    platforms: found?.platforms?.of === 'index' ? found.platforms.names : null,
    platformsFailure: failureFields(unread(found?.platforms)),
    durationMs: Math.round(durationMs),
    failure: failureFields(answer.is === 'failed' ? answer.failure : undefined),
  };
}

function unread(platforms: Platforms | undefined): ResolveFailure | undefined {
  return platforms?.of === 'unread' ? platforms.failure : undefined;
}

function failureFields(failure: ResolveFailure | undefined): Readonly<Record<string, unknown>> | null {
  if (failure === undefined) return null;
  const { class: failureClass, message, cause, nextStep } = failure;
  return { class: failureClass, message, cause: cause ?? null, nextStep };
}
