import { beforeEach, expect, it, vi } from 'vitest';
import { followLinks, navigate, router, setQuery } from './router.svelte.ts';

beforeEach(() => {
  vi.spyOn(globalThis, 'scrollTo').mockImplementation(() => {});
  navigate('/');
});

/** Clicks a link; whether the page has followed it. What it leaves to the browser is stopped here. */
function click(link: HTMLElement, init: MouseEventInit = {}): boolean {
  let followed = false;
  const listen = (event: MouseEvent): void => {
    followLinks(event);
    followed = event.defaultPrevented;
    event.preventDefault();
  };
  document.body.replaceChildren(link);
  document.addEventListener('click', listen, { once: true });
  link.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, ...init }));
  return followed;
}

function anchor(attributes: Record<string, string>): HTMLElement {
  const link = document.createElement('a');
  for (const [name, value] of Object.entries(attributes)) link.setAttribute(name, value);
  return link;
}

it('shows another view and knows its path and query', () => {
  const before = router.navigations;
  navigate('/devices?q=kitchen');
  expect(router.route).toEqual({ name: 'devices' });
  expect(router.query.get('q')).toBe('kitchen');
  expect(router.here).toBe('/devices?q=kitchen');
  expect(router.navigations).toBe(before + 1);
  expect(location.pathname).toBe('/devices');
});

it('a change of the query is no navigation', () => {
  navigate('/devices?q=a&model=3');
  const before = router.navigations;
  setQuery({ q: 'b', cursor: null }, { replace: true });
  expect(router.here).toBe('/devices?q=b&model=3');
  setQuery({ q: '', model: null });
  expect(router.here).toBe('/devices');
  expect(router.navigations).toBe(before);
});

it('keeps the cursors of the pages before in the history', () => {
  navigate('/devices?cursor=c2', { cursors: ['', 'c1'] });
  expect(router.cursors).toEqual(['', 'c1']);
  setQuery({ q: 'x' });
  expect(router.cursors).toEqual([]);
});

it('follows a link of the page', () => {
  expect(click(anchor({ href: '/models/3' }))).toBe(true);
  expect(router.route).toEqual({ name: 'model', id: 3 });
});

it.each([
  ['another site', { href: 'https://example.com/devices' }, {}],
  ['no view', { href: '/api/openapi.json' }, {}],
  ['a new tab by its target', { href: '/devices', target: '_blank' }, {}],
  ['a new tab by a key', { href: '/devices' }, { ctrlKey: true }],
  ['a download', { href: '/devices', download: '' }, {}],
  ['a place on the view', { href: '#main' }, {}],
])('leaves %s to the browser', (_, attributes, init) => {
  const before = router.here;
  expect(click(anchor(attributes), init)).toBe(false);
  expect(router.here).toBe(before);
});
