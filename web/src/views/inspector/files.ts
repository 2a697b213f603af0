// Files go in and out by the browser alone: read into memory, and saved from it. Nothing is sent anywhere.

/** More than the largest flash of an ESP32: such a file is something else. */
export const LARGEST = 256 << 20;

export async function readFile(file: File): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

/** Saves bytes as a file. The copy that the browser made of them is let go of afterwards. */
export function save(name: string, content: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([content as BlobPart], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
