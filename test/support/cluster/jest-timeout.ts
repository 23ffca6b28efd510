import { jest } from '@jest/globals';

// A guard against hanging, not a measure: rollouts of a real cluster take seconds.
jest.setTimeout(180_000);
