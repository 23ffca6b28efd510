// Jest runs the very thing that `node src/main.ts` runs: TypeScript with its types stripped by Node itself.
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.js' },
  moduleFileExtensions: ['ts', 'js', 'json', 'node'],
  collectCoverageFrom: ['src/**/*.ts'],
  coverageProvider: 'v8',
  reporters: ['default', '<rootDir>/test/support/summary-reporter.js'],
};
