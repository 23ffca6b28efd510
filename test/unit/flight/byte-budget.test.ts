import { expect, test } from '@jest/globals';
import { ByteBudget } from '../../../src/flight/byte-budget.ts';

test('a budget gives out no more than it has, and again what is given back', () => {
  const budget = new ByteBudget(10);
  const first = budget.take(6);
  expect(first).toBeDefined();
  expect(budget.take(5)).toBeUndefined();
  expect(budget.take(4)).toBeDefined();
  expect(budget.heldBytes).toBe(10);
  first?.();
  expect(budget.take(6)).toBeDefined();
});

test('a share that is given back twice counts once, and a refusal holds nothing', () => {
  const budget = new ByteBudget(10);
  const share = budget.take(3);
  budget.take(7);
  expect(budget.take(1)).toBeUndefined();
  share?.();
  share?.();
  expect(budget.heldBytes).toBe(7);
});
