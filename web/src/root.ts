// Where the page lies on its server: `/`, or the path of `server.public_url`. Chunks are in assets/ below it.
const here = new URL(import.meta.url);

export const root = here.protocol.startsWith('http') ? new URL('..', here).pathname : '/';

/** The address of a path of the page, for `href`: `link('/devices/7')`. */
export function link(path: string): string {
  return root + path.slice(1);
}

/** The path of the page at this address of the server; `undefined` outside of it. */
export function pathBelow(pathname: string, base: string = root): string | undefined {
  if (pathname === base.slice(0, -1)) return '/';
  return pathname.startsWith(base) ? `/${pathname.slice(base.length)}` : undefined;
}
