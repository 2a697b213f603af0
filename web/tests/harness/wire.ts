// What a browser really sends: a proxy that changes nothing, between it and a server.
import { createServer, request, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** An empty page, which the proxy serves itself: one of the same origin that may call, whatever the server's policies are. */
export const BLANK = '/blank-page-of-the-test';

function blank(outgoing: ServerResponse): void {
  outgoing.writeHead(200, { 'content-type': 'text/html' });
  outgoing.end('<!doctype html><title>Blank</title><link rel="icon" href="data:," /><body></body>');
}

/** A request that arrived, and the status of its answer. */
export interface Arrived {
  readonly method: string;
  readonly path: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site` */
  readonly site: string | undefined;
  readonly cookie: string | undefined;
  readonly isWebSocket: boolean;
  status: number | undefined;
}

export class Wire {
  private arrived: Arrived[] = [];

  private constructor(
    private readonly server: HttpServer,
    readonly port: number,
  ) {}

  /** In front of the server at this address. It sees the `Host` that the browser sends, so its origin is the proxy's. */
  static async before(url: string): Promise<Wire> {
    const { hostname, port } = new URL(url);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const wire = new Wire(server, (server.address() as AddressInfo).port);
    server.on('request', (incoming, outgoing) => {
      if (incoming.url === BLANK) return blank(outgoing);
      const record = wire.record(incoming);
      const { method, url: path, headers } = incoming;
      const passed = request({ hostname, port, method, path, headers }, (answer) => {
        record.status = answer.statusCode;
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      incoming.pipe(passed);
    });
    server.on('upgrade', (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
      const record = wire.record(incoming);
      const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
      for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
        lines.push(`${incoming.rawHeaders[at]}: ${incoming.rawHeaders[at + 1]}`);
      }
      const upstream = connect(Number(port), hostname, () => {
        upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
        upstream.write(head);
        client.pipe(upstream);
      });
      upstream.once(
        'data',
        (first: Buffer) => (record.status = Number(/ (\d{3})/.exec(first.toString('latin1'))?.[1])),
      );
      upstream.pipe(client);
      upstream.on('error', () => client.destroy());
      client.on('error', () => upstream.destroy());
    });
    return wire;
  }

  private record(incoming: IncomingMessage): Arrived {
    const { host, origin, cookie, upgrade, 'sec-fetch-site': site } = incoming.headers;
    const record: Arrived = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      host,
      origin,
      site: site as string | undefined,
      cookie,
      isWebSocket: upgrade === 'websocket',
      status: undefined,
    };
    this.arrived.push(record);
    return record;
  }

  /** The requests for this path since the last call of `clear`, whose answers have come. */
  async of(path: string, count = 1): Promise<Arrived[]> {
    const limit = Date.now() + 5_000;
    for (;;) {
      const found = this.arrived.filter((one) => one.path === path);
      if (found.length >= count && found.every(({ status }) => status !== undefined)) return found;
      if (Date.now() > limit) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  all(): readonly Arrived[] {
    return this.arrived;
  }

  clear(): void {
    this.arrived = [];
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A page of somebody else: an empty one, without any policy, on a port of its own. */
export class ForeignPage {
  private constructor(
    private readonly server: HttpServer,
    readonly port: number,
  ) {}

  static async start(): Promise<ForeignPage> {
    const server = createServer((_, outgoing) => blank(outgoing));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ForeignPage(server, (server.address() as AddressInfo).port);
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
