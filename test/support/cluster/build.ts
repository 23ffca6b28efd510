// Builds the programs of the control plane where they are missing.
import { buildBinaries } from './binaries.ts';

await buildBinaries((line) => process.stdout.write(`${line}\n`));
