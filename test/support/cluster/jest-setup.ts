import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBinaries } from './binaries.ts';
import { ControlPlane } from './control-plane.ts';

/** Where the test files find the control plane that was started for all of them. */
export const ADDRESS_FILE_VARIABLE = 'SAMEBYTES_TEST_CONTROL_PLANE';

/** Jest's globalSetup of the cluster tests: one control plane for all files. */
export default async function setup(): Promise<void> {
  const binaries = findBinaries();
  if (binaries === undefined) throw new Error('the control plane is not built: npm run test:cluster');
  const plane = await ControlPlane.start(binaries);
  const file = join(tmpdir(), `samebytes-control-plane-${process.pid}.json`);
  await writeFile(file, JSON.stringify(plane.address), { mode: 0o600 });
  process.env[ADDRESS_FILE_VARIABLE] = file;
  Object.assign(globalThis, { samebytesControlPlane: plane });
}
