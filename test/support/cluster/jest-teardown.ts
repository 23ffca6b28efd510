import { rm } from 'node:fs/promises';
import type { ControlPlane } from './control-plane.ts';
import { ADDRESS_FILE_VARIABLE } from './jest-setup.ts';

/** Jest's globalTeardown of the cluster tests. */
export default async function teardown(): Promise<void> {
  const { samebytesControlPlane: plane } = globalThis as { samebytesControlPlane?: ControlPlane };
  await plane?.stop();
  await rm(process.env[ADDRESS_FILE_VARIABLE] ?? '', { force: true });
}
