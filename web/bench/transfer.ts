// What the network carried to a page, as the browser counts it: bodies as they were sent, compressed or not, and all with headers.
import type { CDPSession, Page } from 'playwright-core';

interface Loaded {
  readonly path: string;
  readonly encoding: string;
  /** Of the body. */
  body: number;
  /** With headers. */
  network: number;
}

export interface Sum {
  readonly requests: number;
  /** Of the bodies. */
  readonly bytes: number;
  /** With headers. */
  readonly network: number;
}

export class Transfer {
  private readonly loading = new Map<string, Loaded>();
  private readonly loaded: Loaded[] = [];

  private constructor(readonly session: CDPSession) {}

  static async of(page: Page): Promise<Transfer> {
    const session = await page.context().newCDPSession(page);
    const transfer = new Transfer(session);
    session.on('Network.responseReceived', ({ requestId, response }) => {
      const header = (wanted: string) =>
        Object.entries(response.headers).find(([name]) => name.toLowerCase() === wanted)?.[1];
      transfer.loading.set(requestId, {
        path: new URL(response.url).pathname,
        encoding: header('content-encoding') ?? 'identity',
        // What has arrived until now can be more than the headers, so the length that the server says comes first.
        body: Number(header('content-length') ?? -response.encodedDataLength),
        network: 0,
      });
    });
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      const one = transfer.loading.get(requestId);
      if (one === undefined) return;
      const body = one.body < 0 ? encodedDataLength + one.body : one.body;
      transfer.loaded.push({ ...one, body, network: encodedDataLength });
    });
    await session.send('Network.enable');
    return transfer;
  }

  /** The page's own files: what does not come from the API. Each is br, or so small that it is not compressed. */
  files(): Sum {
    return sum(this.loaded.filter(({ path }) => !path.startsWith('/api/')));
  }

  answers(): Sum {
    return sum(this.loaded.filter(({ path }) => path.startsWith('/api/')));
  }

  /** The bytes of the files whose names fit. */
  bytesOf(pattern: RegExp): number {
    return sum(this.loaded.filter(({ path }) => pattern.test(path))).bytes;
  }

  /** By which encodings the files came. */
  encodings(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { path, encoding } of this.loaded) {
      if (!path.startsWith('/api/')) counts[encoding] = (counts[encoding] ?? 0) + 1;
    }
    return counts;
  }

  list(): readonly Loaded[] {
    return this.loaded;
  }
}

function sum(loaded: readonly Loaded[]): Sum {
  const add = (of: 'body' | 'network'): number => loaded.reduce((all, one) => all + one[of], 0);
  return { requests: loaded.length, bytes: add('body'), network: add('network') };
}
