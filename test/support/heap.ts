import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is held in memory, in bytes, once all that nobody needs is gone. */
export function heldBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
