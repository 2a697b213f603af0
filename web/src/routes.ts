// The paths of the page, typed. The server answers each of them with index.html.

export type Route =
  | { readonly name: 'start' }
  | { readonly name: 'sign-in' }
  | { readonly name: 'devices' }
  | { readonly name: 'device'; readonly id: number }
  | { readonly name: 'models' }
  | { readonly name: 'model'; readonly id: number }
  | { readonly name: 'boards' }
  | { readonly name: 'board'; readonly mac: string }
  | { readonly name: 'settings' }
  | { readonly name: 'audit' }
  | { readonly name: 'inspector' }
  | { readonly name: 'not-found' };

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;
const NOT_FOUND: Route = { name: 'not-found' };

export function parsePath(path: string): Route {
  const [first = '', second, ...rest] = path.replace(/^\//, '').replace(/\/$/, '').split('/');
  if (rest.length > 0) return NOT_FOUND;
  switch (first) {
    case '':
      return second === undefined ? { name: 'start' } : NOT_FOUND;
    case 'sign-in':
    case 'settings':
    case 'audit':
    case 'inspector':
      return second === undefined ? { name: first } : NOT_FOUND;
    case 'devices':
      return second === undefined ? { name: 'devices' } : numbered('device', second);
    case 'models':
      return second === undefined ? { name: 'models' } : numbered('model', second);
    case 'boards': {
      if (second === undefined) return { name: 'boards' };
      const mac = decode(second).toLowerCase();
      return MAC.test(mac) ? { name: 'board', mac } : NOT_FOUND;
    }
    default:
      return NOT_FOUND;
  }
}

export function pathOf(route: Exclude<Route, { name: 'not-found' }>): string {
  switch (route.name) {
    case 'start':
      return '/';
    case 'device':
      return `/devices/${route.id}`;
    case 'model':
      return `/models/${route.id}`;
    case 'board':
      return `/boards/${route.mac}`;
    default:
      return `/${route.name}`;
  }
}

function numbered(name: 'device' | 'model', text: string): Route {
  const id = Number(text);
  return /^[1-9][0-9]*$/.test(text) && Number.isSafeInteger(id) ? { name, id } : NOT_FOUND;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
