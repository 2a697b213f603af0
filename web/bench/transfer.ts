// What the network carried to a page, as the browser counts it: bodies as they were sent, compressed or not, and all with headers.
import type { CDPSession, Page } from 'playwright-core';

interface Loaded {
  readonly path: string;
  readonly encoding: string;
  readonly headers: number;
  bytes: number;
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
      const headers = Object.entries(response.headers);
      const encoding = headers.find(([name]) => name.toLowerCase() === 'content-encoding')?.[1] ?? 'identity';
      transfer.loading.set(requestId, {
        path: new URL(response.url).pathname,
        encoding,
        headers: response.encodedDataLength,
        bytes: 0,
      });
    });
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      const one = transfer.loading.get(requestId);
      if (one !== undefined) transfer.loaded.push({ ...one, bytes: encodedDataLength });
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
  const network = loaded.reduce((all, { bytes }) => all + bytes, 0);
  return { requests: loaded.length, bytes: loaded.reduce((all, { headers }) => all - headers, network), network };
}
