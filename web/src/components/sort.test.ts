import { expect, it } from 'vitest';
import { nextSort } from './sort.ts';

type Sort = 'name' | '-name' | 'created_at' | '-created_at';

it('turns the order of a column around, and begins with the newest of times', () => {
  const next = nextSort<Sort>;
  expect(next('-created_at', 'name')).toBe('name');
  expect(next('name', 'name')).toBe('-name');
  expect(next('-name', 'name')).toBe('name');
  expect(next('name', 'created_at')).toBe('-created_at');
  expect(next('-created_at', 'created_at')).toBe('created_at');
});
