import { readFileSync } from 'node:fs';
import type { ControlPlaneAddress } from './control-plane.ts';
import { ADDRESS_FILE_VARIABLE } from './jest-setup.ts';

/** The control plane that was started for all test files. */
export function sharedControlPlane(): ControlPlaneAddress {
  return JSON.parse(readFileSync(process.env[ADDRESS_FILE_VARIABLE] ?? '', 'utf8')) as ControlPlaneAddress;
}
