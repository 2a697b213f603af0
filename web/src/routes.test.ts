import { describe, expect, it } from 'vitest';
import { parsePath, pathOf, type Route } from './routes.ts';

describe('parsePath', () => {
  const routes: [string, Route][] = [
    ['/', { name: 'start' }],
    ['/sign-in', { name: 'sign-in' }],
    ['/devices', { name: 'devices' }],
    ['/devices/', { name: 'devices' }],
    ['/devices/7', { name: 'device', id: 7 }],
    ['/models/12', { name: 'model', id: 12 }],
    ['/boards/60:55:f9:aa:00:01', { name: 'board', mac: '60:55:f9:aa:00:01' }],
    ['/boards/60%3A55%3AF9%3Aaa%3A00%3A01', { name: 'board', mac: '60:55:f9:aa:00:01' }],
    ['/settings', { name: 'settings' }],
    ['/audit', { name: 'audit' }],
    ['/inspector', { name: 'inspector' }],
  ];
  it.each(routes)('%s', (path, route) => expect(parsePath(path)).toEqual(route));

  it.each([
    '/device',
    '/index.html',
    '/devices/0',
    '/devices/07',
    '/devices/x',
    '/devices/7/8',
    '/boards/1',
    '/boards/%',
    '/settings/1',
    '/devices//7',
  ])('%s is no view', (path) => expect(parsePath(path)).toEqual({ name: 'not-found' }));

  it('is the inverse of pathOf', () => {
    for (const [, route] of routes) {
      if (route.name !== 'not-found') expect(parsePath(pathOf(route))).toEqual(route);
    }
  });
});
