import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { EVENT_REASONS } from '../../../src/admission/owner-event.ts';
import { OUTCOMES } from '../../../src/admission/outcome.ts';
import { REGISTRY_ERROR_CODES } from '../../../src/registry/errors.ts';
import { CACHE_RESULTS, CACHES } from '../../../src/telemetry/cache-result.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';

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
  const others = ['deadline', 'pin_unreadable', 'pin_unwritable', 'internal_error'];
  expect(firstColumn('Failures').toSorted()).toEqual([...REGISTRY_ERROR_CODES, ...others].toSorted());
});

test('docs/outcomes.md explains every reason of an event, and no other', () => {
  expect(firstColumn('Events').toSorted()).toEqual(EVENT_REASONS.toSorted());
});

test('docs/outcomes.md lists every metric, and no other', async () => {
  const { text } = await new Metrics({ processMetrics: false }).exposition();
  const exposed = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
  expect(firstColumn('Metrics').toSorted()).toEqual(exposed.toSorted());
});

test('docs/outcomes.md names every cache and every result of a look into one', () => {
  for (const name of [...CACHES, ...CACHE_RESULTS]) expect(page).toContain(`\`${name}\``);
});
