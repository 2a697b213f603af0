// A device's image. Each call is a disclosure, which the server's audit trail records.
import { api, read } from '../../api/client.ts';

/** Large enough for every image: eight strings of 4000 bytes at most. */
const ROOMY = 0x10000;

export async function fetchImage(id: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await read(
    api.GET('/api/devices/{id}/provisioning', {
      params: { path: { id }, query: { partition_size: String(size) } },
      headers: { Accept: 'application/octet-stream' },
      parseAs: 'arrayBuffer',
    }),
  );
  return new Uint8Array(answer);
}

/** One value of the image as the device will read it. The image itself is overwritten. */
export async function fetchValue(id: number, key: string): Promise<string | undefined> {
  const { load } = await import('../../nvs/index.ts');
  const [nvs, image] = await Promise.all([load(), fetchImage(id, ROOMY)]);
  try {
    return nvs.provValues(image, undefined)[key];
  } finally {
    nvs.wipe(image);
  }
}
