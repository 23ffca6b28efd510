import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { FAILURE_CODES } from '../../../src/admission/failure.ts';
import { EVENT_REASONS } from '../../../src/admission/owner-event.ts';
import { OUTCOMES } from '../../../src/admission/outcome.ts';

const page = await readFile(new URL('../../../docs/outcomes.md', import.meta.url), 'utf8');

/** The first column of the table under a heading, without its backticks. */
function firstColumn(heading: string): string[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name);
}

test('docs/outcomes.md explains every outcome of an admission, and no other', () => {
  expect(firstColumn('Outcomes').toSorted()).toEqual(OUTCOMES.toSorted());
});

test('docs/outcomes.md explains every reason for which an image gets no digest, and no other', () => {
  expect(firstColumn('Failures').toSorted()).toEqual(FAILURE_CODES.toSorted());
});

test('docs/outcomes.md explains every reason of an event, and no other', () => {
  expect(firstColumn('Events').toSorted()).toEqual(EVENT_REASONS.toSorted());
});
