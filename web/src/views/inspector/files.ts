// Files are read into memory by the browser alone. Nothing is sent anywhere.

/** More than the largest flash of an ESP32: such a file is something else. */
export const LARGEST = 256 << 20;

export async function readFile(file: File): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}
