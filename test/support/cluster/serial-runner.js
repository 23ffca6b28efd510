import { createRequire } from 'node:module';

const { default: TestRunner } = createRequire(import.meta.url)('jest-runner');

/** Test files one after another: they share one cluster, and samebytes is installed in it once. */
export default class SerialRunner extends TestRunner {
  isSerial = true;
}
