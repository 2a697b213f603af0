/** What is read off a board: its partition table, its NVS partition, the keys of it. */
import type { Nvs, PartitionKeys, PartitionRow, Table, Target } from '../nvs/index.ts';
import { type Chip, type Progress, SECTOR } from './chip.ts';

/** What a person gives in place of what the board does not show. */
export interface Given {
  /** The name of the NVS partition. */
  partition?: string | undefined;
  /** Where the partition table is. */
  tableOffset?: number | undefined;
  /** The table of the firmware's build: CSV or binary. */
  table?: Uint8Array | undefined;
  /** The keys of an encrypted partition. */
  keys?: Uint8Array | undefined;
}

export interface Content {
  rows: PartitionRow[];
  target: Target;
  partition: Uint8Array;
  keys: PartitionKeys;
}

export const TABLE_OFFSET = 0x8000;
const TABLE_SIZE = 0xc00;

/** Reads a board. What was read before is not read again while a person corrects what they give. */
export class Reader {
  readonly #chip: Chip;
  readonly #nvs: Nvs;
  readonly #read = new Map<string, Uint8Array>();

  constructor(chip: Chip, nvs: Nvs) {
    this.#chip = chip;
    this.#nvs = nvs;
  }

  async table(given: Given): Promise<Table> {
    const offset = given.tableOffset ?? TABLE_OFFSET;
    const { flashSize, security } = this.#chip.identity;
    const { flashEncryption } = security;
    const options = { offset, flashSize, flashEncryption, partition: given.partition };
    if (given.table) return this.#nvs.tableFile(given.table, options);
    return this.#nvs.table(await this.#once(offset, TABLE_SIZE), options);
  }

  async content(given: Given, progress: Progress): Promise<Content> {
    const { rows, target } = await this.table(given);
    const partition = await this.#once(target.nvs.offset, target.nvs.size, progress);
    const keys: PartitionKeys = given.keys
      ? { given: given.keys }
      : { onChip: await this.#keyPartitions(target, partition) };
    return { rows, target, partition, keys };
  }

  /** Reads the key partitions, unless the NVS partition proves that it needs no keys. */
  async #keyPartitions(target: Target, partition: Uint8Array): Promise<{ name: string; bytes: Uint8Array }[]> {
    if (!this.#nvs.needsKeys(partition)) return [];
    const found = [];
    for (const { name, offset, size } of target.keys) {
      found.push({ name, bytes: await this.#once(offset, Math.min(size, SECTOR)) });
    }
    return found;
  }

  async #once(offset: number, size: number, progress?: Progress): Promise<Uint8Array> {
    const place = `${offset}+${size}`;
    let bytes = this.#read.get(place);
    if (!bytes) {
      bytes = await this.#chip.read(offset, size, progress);
      this.#read.set(place, bytes);
    }
    return bytes;
  }

  /** What was read is no longer what the board holds, or no longer needed. */
  forget(): void {
    this.#nvs.wipe(...this.#read.values());
    this.#read.clear();
  }
}
