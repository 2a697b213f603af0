import { expect, it } from 'vitest';
import { pathBelow } from './root.ts';

it.each([
  ['/devices/7', '/', '/devices/7'],
  ['/', '/', '/'],
  ['/fleet/devices/7', '/fleet/', '/devices/7'],
  ['/fleet/', '/fleet/', '/'],
  ['/fleet', '/fleet/', '/'],
  ['/fleetmint/devices', '/fleet/', undefined],
  ['/devices', '/fleet/', undefined],
])('%s below %s is %s', (pathname, base, path) => expect(pathBelow(pathname, base)).toBe(path));
