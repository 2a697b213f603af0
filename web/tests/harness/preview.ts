// While one works on the page: FLEETMINT_TEST_PAGE=dist tests what `npm run build` has built, under the server's own policy,
// without a build of the program. All else tests the page that the program has in it.
import { readFile } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const dist = join(import.meta.dirname, '../../dist');

const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; font-src 'self'; " +
  "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

export class Preview {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before(program: string): Promise<Preview> {
    const server = createServer((incoming, outgoing) => void serve(program, incoming, outgoing));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Preview(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function serve(program: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { pathname } = new URL(incoming.url ?? '/', program);
  if (/^\/(api|oauth2|livez|readyz|metrics|\.well-known)(\/|$)/.test(pathname))
    return forward(program, incoming, outgoing);
  const path = extname(pathname) === '' ? '/index.html' : normalize(pathname);
  try {
    const file = await readFile(join(dist, path));
    // As the server does: an address below a path has its files where the page's root is.
    const body = path === '/index.html' ? file.toString().replaceAll('="./', '="/') : file;
    outgoing.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': POLICY,
    });
    outgoing.end(body);
  } catch {
    outgoing.writeHead(404).end();
  }
}

function forward(program: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { host } = new URL(program);
  const headers = { ...incoming.headers, host };
  if (headers.origin !== undefined) headers.origin = program;
  const passed = request(new URL(incoming.url ?? '/', program), { method: incoming.method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  passed.on('error', () => outgoing.destroy());
  incoming.pipe(passed);
}
