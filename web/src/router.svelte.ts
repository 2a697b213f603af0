// The page's address: which view is shown, and its state in the query.
import { link, pathBelow } from './root.ts';
import { parsePath, type Route } from './routes.ts';

interface Address {
  readonly route: Route;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly cursors: readonly string[];
}

interface NavigateOptions {
  /** Leaves no step for the back button. */
  readonly replace?: boolean;
  readonly cursors?: readonly string[];
}

let address = $state.raw<Address>(read());
/** How often the path has changed since the page was opened; 0 is the first view. */
let navigations = $state.raw(0);

function read(): Address {
  const { pathname, search } = globalThis.location;
  const path = pathBelow(pathname) ?? pathname;
  return { route: parsePath(path), path, query: new URLSearchParams(search), cursors: readCursors() };
}

function readCursors(): readonly string[] {
  const state: unknown = history.state;
  if (typeof state !== 'object' || state === null || !('cursors' in state)) return [];
  const { cursors } = state;
  return Array.isArray(cursors) ? cursors.filter((cursor) => typeof cursor === 'string') : [];
}

function changed(): void {
  const before = address.path;
  address = read();
  if (address.path !== before) navigations += 1;
}

globalThis.addEventListener('popstate', () => {
  changed();
  restoreScroll();
});

/** How long a view may take until it is as long again as when it was left. */
const PATIENCE = 3_000;

/** Goes back to where one was on a view, once it has loaded that far; or not at all if somebody scrolls meanwhile. */
function restoreScroll(): void {
  const state: unknown = history.state;
  const wanted = typeof state === 'object' && state !== null && 'scroll' in state ? Number(state.scroll) : 0;
  if (!(wanted > 0)) return;
  const began = performance.now();
  const stop = new AbortController();
  for (const input of ['wheel', 'touchmove', 'keydown', 'pointerdown']) {
    globalThis.addEventListener(input, () => stop.abort(), { signal: stop.signal, passive: true });
  }
  const attempt = (): void => {
    if (stop.signal.aborted) return;
    const longEnough = document.documentElement.scrollHeight - globalThis.innerHeight >= wanted;
    if (longEnough) globalThis.scrollTo(0, wanted);
    if (longEnough || performance.now() - began > PATIENCE) stop.abort();
    else requestAnimationFrame(attempt);
  };
  requestAnimationFrame(attempt);
}

export const router = {
  get route(): Route {
    return address.route;
  },
  get path(): string {
    return address.path;
  },
  get query(): URLSearchParams {
    return address.query;
  },
  /** The cursors of the pages before this one of a list: one for each step forward. */
  get cursors(): readonly string[] {
    return address.cursors;
  },
  /** The path and the query, to return to. */
  get here(): string {
    const query = address.query.toString();
    return query === '' ? address.path : `${address.path}?${query}`;
  },
  get navigations(): number {
    return navigations;
  },
};

/** Shows another address of the page: a path, with a query if it has one. */
export function navigate(to: string, options: NavigateOptions = {}): void {
  if (to === router.here) return;
  const samePath = to.split('?')[0] === address.path;
  const left: unknown = history.state;
  history.replaceState({ ...(typeof left === 'object' ? left : {}), scroll: globalThis.scrollY }, '');
  const state = { cursors: options.cursors ?? [] };
  if (options.replace === true) history.replaceState(state, '', link(to));
  else history.pushState(state, '', link(to));
  changed();
  if (!samePath) globalThis.scrollTo(0, 0);
}

/** Changes the query of the current view: `null` and '' remove a key. */
export function setQuery(changes: Record<string, string | null>, options: NavigateOptions = {}): void {
  const query = new URLSearchParams(address.query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === '') query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  navigate(text === '' ? address.path : `${address.path}?${text}`, options);
}

/** Follows the links of the page without loading it again. Listens to clicks on the whole document. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (link === null || link.target !== '' || link.hasAttribute('download')) return;
  const url = new URL(link.href);
  const path = pathBelow(url.pathname);
  if (url.origin !== location.origin || path === undefined || parsePath(path).name === 'not-found') return;
  if (link.getAttribute('href')?.startsWith('#') === true) return;
  event.preventDefault();
  navigate(path + url.search);
}
