import { expect, test } from 'vitest';
import { auditQuery, localOf, utcOf } from './query.ts';

const asked = (text: string) => auditQuery(new URLSearchParams(text));

test('every filter is asked for', () => {
  const query =
    'device=7&model=2&action=get_provisioning&outcome=failed&from=2026-01-31T12:00:00Z&to=2026-02-01T00:00:00Z&cursor=41';
  expect(asked(query)).toEqual({
    limit: 50,
    device: 7,
    model: 2,
    action: 'get_provisioning',
    outcome: 'failed',
    from: '2026-01-31T12:00:00.000Z',
    to: '2026-02-01T00:00:00.000Z',
    cursor: '41',
  });
});

test('what the server would refuse is left out', () => {
  expect(asked('device=x&model=-1&action=DROP+TABLE&outcome=maybe&from=yesterday&to=&cursor=abc')).toEqual({
    limit: 50,
  });
});

test('a time that was typed is shown as it was typed', () => {
  expect(localOf(utcOf('2026-07-14T09:30'))).toBe('2026-07-14T09:30');
  expect(utcOf('')).toBe('');
  expect(localOf('never')).toBe('');
});
