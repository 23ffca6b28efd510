import * as fc from 'fast-check';

/** Undefined in a bounded run; otherwise how long each property is tried. */
const SECONDS = numberFrom('SAMEBYTES_FUZZ_SECONDS');
const SEED = numberFrom('SAMEBYTES_FUZZ_SEED');
const PATH = process.env['SAMEBYTES_FUZZ_PATH'];

/** More than a long property's own time, for jest. */
export const FUZZ_TIMEOUT_MS = ((SECONDS ?? 0) + 60) * 1_000;

/**
 * Tries a property `runs` times, or for `SAMEBYTES_FUZZ_SECONDS`. A failure names seed and path, which are given back by
 * `SAMEBYTES_FUZZ_SEED` and `SAMEBYTES_FUZZ_PATH` to try the same again.
 */
export async function fuzz<Ts>(runs: number, property: fc.IRawProperty<Ts>): Promise<void> {
  const seed = SEED ?? Date.now() % 2 ** 31;
  const isLong = SECONDS !== undefined && PATH === undefined;
  if (isLong) process.stderr.write(`fuzzing for ${SECONDS} s with seed ${seed}\n`);
  const details = await fc.check(property, {
    seed,
    ...(PATH === undefined ? {} : { path: PATH }),
    ...(isLong
      ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: SECONDS * 1_000 }
      : { numRuns: runs }),
  });
  if (isLong) process.stderr.write(`${details.numRuns} runs with seed ${seed}\n`);
  if (!details.failed) return;
  const again = `SAMEBYTES_FUZZ_SEED=${seed} SAMEBYTES_FUZZ_PATH=${details.counterexamplePath} npm run fuzz -- -t '…'`;
  throw new Error(`${fc.defaultReportMessage(details) ?? ''}\n\nTo try it again: ${again}`, {
    cause: details.errorInstance,
  });
}

function numberFrom(name: string): number | undefined {
  const text = process.env[name];
  return text === undefined || text === '' ? undefined : Number(text);
}
