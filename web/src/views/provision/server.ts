// What the server is asked and told while a board is written.
import { api, read } from '../../api/client.ts';
import type { components } from '../../api/generated.ts';
import { ApiError } from '../../api/problem.ts';
import { type BackupKeys, serverKeys } from '../../flash/journal.ts';
import type { DeviceName, DeviceServer } from '../../flash/provision.ts';

type Device = components['schemas']['Device'];
type NewDevice = components['schemas']['NewDevice'];

/** As flashes name the tool that wrote. */
const TOOL = 'fleetmint page';

export const deviceServer: DeviceServer = {
  async image(device, size) {
    const path = { path: { id: device.id }, query: { partition_size: String(size) } };
    const answer = api.GET('/api/devices/{id}/provisioning', {
      params: path,
      headers: { Accept: 'application/octet-stream' },
      parseAs: 'arrayBuffer',
    });
    return new Uint8Array((await read(answer)) as unknown as ArrayBuffer);
  },

  async carried(mac) {
    try {
      const { device } = await read(api.GET('/api/boards/{mac}', { params: { path: { mac } } }));
      return device ? nameOf(device) : undefined;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  },

  async boardOf(device) {
    const { board } = await read(api.GET('/api/devices/{id}', { params: { path: { id: device.id } } }));
    return board?.mac;
  },

  async findings(device) {
    const answer = api.GET('/api/devices/{id}/settings', { params: { path: { id: device.id } } });
    const { values, findings } = await read(answer);
    const setting = (key: string): string | null => values.find((value) => value.key === key)?.setting ?? null;
    // The board's own partition decides whether all fits, not the image of one page.
    const shown = findings.filter(({ code, severity }) => severity !== 'notice' && code !== 'does-not-fit');
    return shown.map((finding) => ({ ...finding, setting: setting(finding.key) }));
  },

  async begin(device, { mac, chip, partition, replaceBoard }) {
    const body = { mac, chip, partition, tool: TOOL, replace_board: replaceBoard };
    try {
      const flash = await once((key) =>
        read(
          api.POST('/api/devices/{id}/flashes', {
            params: { path: { id: device.id }, header: { 'Idempotency-Key': key } },
            body,
          }),
        ),
      );
      return { flash: flash.id };
    } catch (error) {
      if (error instanceof ApiError && error.kind === 'another-board') return 'another-board';
      throw error;
    }
  },

  async end(device, n, { outcome, sectors, bytes, reason }) {
    // The same report may be repeated.
    const body = { outcome, sectors, bytes, reason };
    await read(api.PATCH('/api/devices/{id}/flashes/{n}', { params: { path: { id: device.id, n } }, body }));
  },
};

/** The key that this server seals backups with, for whoever is signed in. */
export const backupKeys: BackupKeys = serverKeys(async () => {
  const { key } = await read(api.GET('/api/session/backup-key'));
  return key;
});

export async function createDevice(device: NewDevice): Promise<Device> {
  return once((key) =>
    read(api.POST('/api/devices', { params: { header: { 'Idempotency-Key': key } }, body: device })),
  );
}

function nameOf({ id, key, name }: DeviceName): DeviceName {
  return { id, key, name };
}

/** Makes a call that creates something, and repeats it where its answer was lost: the key makes it one creation. */
async function once<T>(call: (key: string) => Promise<T>): Promise<T> {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );
  try {
    return await call(key);
  } catch (error) {
    if (!(error instanceof ApiError && error.kind === 'unreachable')) throw error;
    return call(key);
  }
}
