import { randomInt } from 'node:crypto';

const SEEDS = 2 ** 31;
/**
 * Of this process alone, so that nobody knows which texts have the same hash. Some pairs have it for a hundredth of all seeds: whoever
 * finds such a pair makes one entry displace another, which is read again.
 */
const SEED = randomInt(SEEDS);
const PRIME = 0x01_00_01_93;

/** FNV-1a: 32 bits, which V8 keeps as they are. */
export function hashOf(text: string): number {
  let hash = SEED;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), PRIME);
  return hash;
}
