import { parsePath } from '../../routes.ts';

/** Where to go after signing in: only to an address of this page, whatever a link says. */
export function returnTarget(wanted: string | null): string {
  // `//host` and `/\host` are other sites for a browser.
  if (wanted === null || !/^\/(?![/\\])/.test(wanted)) return '/';
  const url = new URL(wanted, location.origin);
  const { name } = parsePath(url.pathname);
  return name === 'not-found' || name === 'sign-in' ? '/' : url.pathname + url.search;
}
