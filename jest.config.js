import { findChromium } from './test/support/chromium.ts';
import { findBinaries, findProgram } from './test/support/cluster/binaries.ts';
import { findPrometheus } from './test/support/prometheus.ts';

// Jest runs the very thing that `node src/main.ts` runs: TypeScript with its types stripped by Node itself.
const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.js' },
  moduleFileExtensions: ['ts', 'js', 'json', 'node'],
};

const hasChromium = findChromium() !== undefined;
if (!hasChromium) {
  process.stderr.write(
    'THE BROWSER TESTS ARE NOT RUN: there is no Chromium on this machine (Debian: apt-get install chromium)\n',
  );
}

const local = {
  ...shared,
  displayName: 'local',
  roots: [
    '<rootDir>/test/unit',
    '<rootDir>/test/integration',
    '<rootDir>/test/fuzz',
    ...(hasChromium ? ['<rootDir>/test/browser'] : []),
  ],
  testMatch: ['**/*.test.ts'],
};

/** Against a real control plane, where its programs are built. */
const cluster = {
  ...shared,
  displayName: 'cluster',
  roots: ['<rootDir>/test/cluster'],
  testMatch: ['**/*.test.ts'],
  runner: '<rootDir>/test/support/cluster/serial-runner.js',
  globalSetup: '<rootDir>/test/support/cluster/jest-setup.ts',
  globalTeardown: '<rootDir>/test/support/cluster/jest-teardown.ts',
  setupFilesAfterEnv: ['<rootDir>/test/support/cluster/jest-timeout.ts'],
};

/** Against the distribution registry alone, where that is built. */
const registries = {
  ...shared,
  displayName: 'registries',
  roots: ['<rootDir>/test/registries'],
  testMatch: ['**/*.test.ts'],
};

const hasRegistry = findProgram('registry') !== undefined;
/** Alerts and dashboard before a real Prometheus, where it is installed. */
const prometheus = {
  ...shared,
  displayName: 'prometheus',
  roots: ['<rootDir>/test/prometheus'],
  testMatch: ['**/*.test.ts'],
};

const isBuilt = findBinaries() !== undefined;
if (!isBuilt) {
  process.stderr.write(
    'THE CLUSTER TESTS ARE NOT RUN: the control plane is not built on this machine; `npm run test:cluster` builds it (needs Go, about 15 minutes once)\n',
  );
}

const isWatched = findPrometheus() !== undefined;
if (!isWatched) {
  process.stderr.write(
    'THE PROMETHEUS TESTS ARE NOT RUN: prometheus and promtool are not in PATH (Debian: apt-get install prometheus); alerts and dashboard are not tried\n',
  );
}

export default {
  projects: [
    local,
    ...(hasRegistry ? [registries] : []),
    ...(isWatched ? [prometheus] : []),
    ...(isBuilt ? [cluster] : []),
  ],
  collectCoverageFrom: ['src/**/*.ts'],
  coverageProvider: 'v8',
  reporters: ['default', '<rootDir>/test/support/summary-reporter.js'],
};
