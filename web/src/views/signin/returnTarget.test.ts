import { expect, it } from 'vitest';
import { returnTarget } from './returnTarget.ts';

it.each([
  [null, '/'],
  ['/devices/7?q=1', '/devices/7?q=1'],
  ['/sign-in', '/'],
  ['/nowhere', '/'],
  ['//evil.example/devices', '/'],
  ['/\\evil.example/devices', '/'],
  ['https://evil.example/devices', '/'],
  ['javascript:alert(1)', '/'],
])('%s', (wanted, target) => expect(returnTarget(wanted)).toBe(target));
