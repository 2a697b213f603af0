/**
 * NVS partitions, partition tables and flash plans: the crates fleetmint-nvs and fleetmint-board, as WebAssembly.
 *
 * Nothing here touches the network except `load`, which gets the module itself, and nothing is kept: each call takes the bytes
 * that it is about. What a call was given and what it made is overwritten in the module's memory when the call ends.
 */
import init, * as wasm from './generated/fleetmint_web.js';

import { NvsError } from './error.ts';
import type {
  Changes,
  Check,
  CheckOptions,
  ErrorKind,
  Identified,
  IdentifyOptions,
  Keys,
  Listing,
  Map,
  MaskedChange,
  PatchOptions,
  Patched,
  Plan,
  PlanInput,
  ReadOptions,
  RevealedChange,
  Table,
  TableOptions,
  Value,
} from './types.ts';

export { NvsError } from './error.ts';
export type * from './types.ts';

/** Each call throws an `NvsError` where it cannot be done. Images, keys and files are not changed. */
export interface Nvs {
  /** What a file is, and where in it the NVS partition and its keys are. */
  identify(file: Uint8Array, options?: IdentifyOptions): Identified;
  /** The values of a partition, without the values themselves; how full it is; whose it is. */
  entries(image: Uint8Array, keys?: Keys, options?: ReadOptions): Listing;
  /** The value of `entries[index]`. It may be a secret. */
  value(image: Uint8Array, keys: Keys, index: number, options?: ReadOptions): Value;
  /** What is wrong with a partition, and what the firmware will do about it. */
  check(image: Uint8Array, keys?: Keys, options?: CheckOptions): Check;
  /** Each page and each of its 126 slots, as they are. */
  map(image: Uint8Array, keys?: Keys): Map;
  /** What differs between two partitions; with `reveal`, with the values. */
  diff(a: Uint8Array, aKeys: Keys, b: Uint8Array, bKeys: Keys, reveal?: false): MaskedChange[];
  diff(a: Uint8Array, aKeys: Keys, b: Uint8Array, bKeys: Keys, reveal: true): RevealedChange[];
  /** The partition as the firmware would leave it after these calls. */
  patch(image: Uint8Array, changes: Changes, keys?: Keys, options?: PatchOptions): Patched;
  /** The partition as the firmware's own start would leave it. */
  repair(image: Uint8Array, keys?: Keys, options?: PatchOptions): Uint8Array;

  /** The partition table of a chip, from its sector. */
  table(sector: Uint8Array, options: TableOptions): Table;
  /** The partition table in a file of the firmware's build: CSV or binary. */
  tableFile(file: Uint8Array, options: TableOptions): Table;
  /** Whether the key partitions have to be read to open this partition. */
  needsKeys(partition: Uint8Array): boolean;
  /** Which sectors of a board to write. */
  plan(input: PlanInput): Plan;
  /** Whether a board has every key that both states of a write that was cut off have: then what it holds now can stay. */
  hasAll(now: Uint8Array, before: Uint8Array, after: Uint8Array, keys: Keys): boolean;
  /** The strings of the namespace `prov` as a device reads them. They hold its secret. */
  provValues(partition: Uint8Array, keys: Keys): Record<string, string>;

  /** The MD5 in lower-case hexadecimal. */
  md5(bytes: Uint8Array): string;
  /** Overwrites bytes that held a secret. */
  wipe(...bytes: (Uint8Array | undefined)[]): void;
}

let loaded: Promise<Nvs> | undefined;

/**
 * Gets the module, once. `source` is its bytes, where there is nothing to fetch them from: a test, or a page opened from a
 * folder.
 */
export function load(source?: BufferSource): Promise<Nvs> {
  loaded ??= start(source).catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

async function start(source: BufferSource | undefined): Promise<Nvs> {
  const module = source ?? (await import('./module.ts')).module();
  await init({ module_or_path: module });
  return nvs;
}

/** A report in the form that the module gives it. */
function report<T>(call: () => string): T {
  return JSON.parse(guarded(call)) as T;
}

/** What the module says is a problem comes as its JSON; anything else is a fault of the module. */
function guarded<T>(call: () => T): T {
  try {
    return call();
  } catch (problem) {
    if (typeof problem === 'string') {
      const { kind, message, ...more } = JSON.parse(problem) as { kind: ErrorKind; message: string };
      throw new NvsError(kind, message, more);
    }
    throw new NvsError('internal', problem instanceof Error ? problem.message : String(problem));
  }
}

function keyList(keys: Keys): (string | Uint8Array)[] {
  if (keys === undefined) return [];
  if (keys instanceof Uint8Array) return [keys];
  return 'given' in keys ? [keys.given] : keys.onChip.flatMap(({ name, bytes }) => [name, bytes]);
}

/** The calls as flat texts, five for each. */
function changeList(changes: Changes): Uint8Array | string[] {
  if (changes instanceof Uint8Array) return changes;
  return changes.flatMap((call) => [
    call.action,
    call.namespace,
    call.action === 'delete-all' ? '' : call.key,
    call.action === 'set' ? call.encoding : '',
    call.action === 'set' ? call.value : '',
  ]);
}

/** New for each report, so that nobody can try values against its fingerprints later. */
function newSalt(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}

const SECTOR = 4096;
const TABLE_OFFSET = 0x8000;

const nvs: Nvs = {
  identify: (file, { partition, tableOffset, force } = {}) =>
    report(() => wasm.identify(file, partition, tableOffset, force ?? false)),

  entries: (image, keys, { readonly, force } = {}) =>
    report(() => wasm.entries(image, keyList(keys), readonly ?? false, force ?? false)),

  value: (image, keys, index, { readonly, force } = {}) =>
    report(() => wasm.value(image, keyList(keys), index, readonly ?? false, force ?? false)),

  check: (image, keys, { readonly, fleetmint } = {}) =>
    report(() => wasm.check(image, keyList(keys), readonly ?? false, fleetmint ?? false)),

  map: (image, keys) => report(() => wasm.map(image, keyList(keys))),

  diff: <T>(a: Uint8Array, aKeys: Keys, b: Uint8Array, bKeys: Keys, reveal = false) =>
    report<T>(() => wasm.difference(a, keyList(aKeys), b, keyList(bKeys), reveal, newSalt())),

  patch(image, changes, keys, { force } = {}) {
    const [json, patched] = guarded(() =>
      wasm.patch(image, keyList(keys), changeList(changes), newSalt(), force ?? false),
    ) as [string, Uint8Array];
    return { image: patched, ...(JSON.parse(json) as Omit<Patched, 'image'>) };
  },

  repair: (image, keys, { force } = {}) => guarded(() => wasm.repair(image, keyList(keys), force ?? false)),

  table: (sector, { offset, flashSize, flashEncryption, partition }) =>
    report(() => wasm.table(sector, offset ?? TABLE_OFFSET, flashSize, flashEncryption ?? false, partition)),

  tableFile: (file, { offset, flashSize, partition }) =>
    report(() => wasm.table_file(file, offset ?? TABLE_OFFSET, flashSize, partition)),

  needsKeys: (partition) => guarded(() => wasm.needs_keys(partition)),

  plan({ target, partition, keys, wanted, overwrite, salt }) {
    const [json, after] = guarded(() =>
      wasm.plan(
        target.nvs.name,
        target.nvs.offset,
        target.nvs.size,
        partition,
        keyList(keys),
        'image' in wanted ? wanted.image : undefined,
        'changes' in wanted ? changeList(wanted.changes) : undefined,
        overwrite ?? false,
        salt ?? newSalt(),
      ),
    ) as [string, Uint8Array];
    const plan = JSON.parse(json) as Omit<Plan, 'after'>;
    const sectors = plan.sectors.map((sector) => {
      const start = sector.number * SECTOR;
      return { ...sector, old: partition.subarray(start, start + SECTOR), new: after.subarray(start, start + SECTOR) };
    });
    return { ...plan, sectors, after };
  },

  hasAll: (now, before, after, keys) => guarded(() => wasm.has_all(now, before, after, keyList(keys))),

  provValues(partition, keys) {
    const flat = guarded(() => wasm.prov_values(partition, keyList(keys))) as string[];
    const values: Record<string, string> = {};
    for (let at = 0; at + 1 < flat.length; at += 2) values[flat[at] as string] = flat[at + 1] as string;
    return values;
  },

  md5: (bytes) => guarded(() => wasm.md5(bytes)),

  wipe(...bytes) {
    for (const one of bytes) one?.fill(0);
  },
};
