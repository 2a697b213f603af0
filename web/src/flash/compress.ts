// What esptool-js compresses with, in place of pako: every browser that can run the page compresses by itself. tools/esptool.ts
// puts it there.

/** The bytes as zlib compresses them, by the browser. */
export async function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * What esptool-js asks how many bytes a block becomes on the chip, for the time that the chip gets to write it. Here each block
 * gets the time of all: that is never too short, and needs no decompression.
 */
export class Inflate {
  onData: (chunk: { byteLength: number }) => void = () => undefined;

  constructor(private readonly bytes: number) {}

  push(): void {
    this.onData({ byteLength: this.bytes });
  }
}
