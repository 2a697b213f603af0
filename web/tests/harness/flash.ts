// What a simulated board's flash holds: a partition table, and partitions that the program itself makes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NVS } from './board.ts';
import { PROGRAM } from './parts.ts';

const TYPES: Record<string, [number, number]> = {
  factory: [0, 0],
  nvs: [1, 2],
  phy: [1, 1],
  nvs_keys: [1, 4],
  fat: [1, 0x81],
};

export interface Row {
  name: string;
  type: keyof typeof TYPES;
  offset: number;
  size: number;
  encrypted?: boolean;
  readonly?: boolean;
}

/** A partition table as gen_esp32part.py writes it: rows of 32 bytes, their MD5, 0xFF. */
export function tableOf(rows: Row[]): Buffer {
  const table = Buffer.alloc(0xc00, 0xff);
  rows.forEach(({ name, type, offset, size, encrypted, readonly }, number) => {
    const row = table.subarray(32 * number, 32 * (number + 1));
    row.fill(0);
    row.writeUInt16LE(0x50aa, 0);
    row.set(TYPES[type]!, 2);
    row.writeUInt32LE(offset, 4);
    row.writeUInt32LE(size, 8);
    row.write(name, 12, 'latin1');
    row.writeUInt32LE((encrypted ? 1 : 0) | (readonly ? 2 : 0), 28);
  });
  const end = 32 * rows.length;
  table.set([0xeb, 0xeb], end);
  createHash('md5')
    .update(table.subarray(0, end))
    .digest()
    .copy(table, end + 16);
  return table;
}

export const NVS_ROW: Row = { name: 'nvs', type: 'nvs', ...NVS };

/** The partitions of most boards. */
export const ROWS: Row[] = [
  NVS_ROW,
  { name: 'phy_init', type: 'phy', offset: 0xf000, size: 0x1000 },
  { name: 'factory', type: 'factory', offset: 0x10000, size: 0x100000 },
];

/** A flash with this table and the contents of partitions, by their names. */
export function flashOf(contents: Record<string, Uint8Array>, rows: Row[] = ROWS): Buffer {
  const end = Math.max(...rows.map(({ offset, size }) => (size > 0x100000 ? offset : offset + size)));
  const flash = Buffer.alloc(end, 0xff);
  tableOf(rows).copy(flash, 0x8000);
  for (const { name, offset } of rows) if (contents[name]) flash.set(contents[name], offset);
  return flash;
}

/** Runs `fleetmint nvs …` in a folder with these files, and returns one that it has made. */
export function nvsCommand(files: Record<string, string | Uint8Array>, args: string[], made: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'fleetmint-nvs-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    execFileSync(PROGRAM, ['nvs', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    return readFileSync(join(folder, made));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const HEAD = 'key,type,encoding,value\n';

/** A partition that is in use: Wi-Fi, calibration, values of the application; with a device's key, also its identity. */
export function usedNvs(deviceKey?: string): Buffer {
  const device = deviceKey
    ? `prov,namespace,,\ndevice_key,data,string,${deviceKey}\nclient_id,data,string,iotdevice-${deviceKey}\n` +
      'client_secret,data,string,SECRET-of-before\nbase_url,data,string,https://old.example\n'
    : '';
  const csv =
    `${HEAD}${device}nvs.net80211,namespace,,\nsta.apsw,data,string,SECRET-of-the-wifi\nphy,namespace,,\n` +
    'cal_version,data,u32,7\napp,namespace,,\nboots,data,u16,513\n';
  return nvsCommand({ 'nvs.csv': csv }, ['generate', 'nvs.csv', 'nvs.bin', '0x6000'], 'nvs.bin');
}

/** The same on three pages, with old copies in between, so that a write has several sectors. */
export function wornNvs(deviceKey = 'vibxdl4f'): Buffer {
  let rows = `${HEAD}CHIP_KVS,namespace,,\n`;
  for (let number = 0; number < 18; number += 1) rows += `f/${number}/n,data,hex2bin,${'5a'.repeat(700)}\n`;
  // The old values are on the first page, the new ones will be on the last.
  rows += 'prov,namespace,,\nbase_url,data,string,https://older.example\n';
  const files = { 'nvs.bin': usedNvs(deviceKey), 'more.csv': rows };
  return nvsCommand(files, ['patch', 'nvs.bin', 'more.csv', 'worn.bin'], 'worn.bin');
}

/** The values of a partition, as `namespace/key: value`. */
export function valuesOf(partition: Uint8Array, keys?: Uint8Array): Map<string, unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'fleetmint-nvs-'));
  try {
    writeFileSync(join(folder, 'nvs.bin'), partition);
    if (keys) writeFileSync(join(folder, 'keys.bin'), keys);
    const options = keys ? ['--keys', 'keys.bin'] : [];
    const dump = execFileSync(PROGRAM, ['nvs', 'dump', 'nvs.bin', '--format', 'json', ...options], { cwd: folder });
    const items = JSON.parse(dump.toString()) as { namespace: string; key: string; value: unknown }[];
    return new Map(items.map(({ namespace, key, value }) => [`${namespace}/${key}`, value]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
