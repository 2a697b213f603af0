import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { announce, announcements, toast } from './announce.svelte.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('what was said is forgotten, each time anew', () => {
  announce('one');
  vi.advanceTimersByTime(4000);
  toast('two');
  expect(announcements.polite).toBe('two');
  vi.advanceTimersByTime(4000);
  expect(announcements.polite).toBe('two');
  expect(announcements.toasts).toHaveLength(1);
  vi.advanceTimersByTime(4000);
  expect(announcements.polite).toBe('');
  expect(announcements.toasts).toEqual([]);
});

test('the same text is said twice, and can be taken back', () => {
  announce('no');
  const first = announcements.polite;
  announce('no');
  expect(announcements.polite).not.toBe(first);
  expect(announcements.polite.trim()).toBe('no');
  announce('');
  expect(announcements.polite).toBe('');
});
