import { expect, test } from '@jest/globals';
import type { MemoryRow } from '../../../bench/memory.ts';
import { verdicts, type Verdict } from '../../../bench/targets.ts';

// What the bench says of the targets: none is met by work that was not done.

function memoryRow(fields: Partial<MemoryRow>): MemoryRow {
  return {
    revisions: 50_000,
    tags: 20_000,
    seconds: 60,
    rssMiB: 200,
    heapMiB: 60,
    nullRssMiB: 150,
    warmP50Ms: 1,
    failed: 0,
    ...fields,
  };
}

function memoryVerdicts(failed: number): Pick<Verdict, 'isMet' | 'measured'>[] {
  const rows = [memoryRow({ failed }), memoryRow({ revisions: 75_000, failed })];
  return verdicts([], rows)
    .filter(({ target }) => target.startsWith('memory after'))
    .map(({ isMet, measured }) => ({ isMet, measured }));
}

test('memory is as wanted where every revision was born, and missed where some were not', () => {
  expect(memoryVerdicts(0)).toEqual([
    { isMet: true, measured: '+ 50 MiB' },
    { isMet: true, measured: 'heap after collection + 0.0 MiB after 75000 revisions' },
  ]);
  expect(memoryVerdicts(7)).toEqual([
    { isMet: false, measured: '+ 50 MiB, without 7 that failed' },
    {
      isMet: false,
      measured: 'heap after collection + 0.0 MiB after 75000 revisions, without 7 that failed',
    },
  ]);
});

test('what was not measured is neither met nor missed', () => {
  expect(new Set(verdicts([], []).map(({ isMet }) => isMet))).toEqual(new Set([undefined]));
});
