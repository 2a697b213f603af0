/** What can be asked, and how a question goes to a module and its answer comes back. */
import type * as boardModule from './generated/board/fleetmint_web.js';
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

/** Each call throws an `NvsError` where it cannot be done. Images, keys and files are not changed. */
export interface Nvs {
  /** The values of a partition, without the values themselves; how full it is; whose it is. */
  entries(image: Uint8Array, keys?: Keys, options?: ReadOptions): Listing;
  /** The partition table of a chip, from its sector. */
  table(sector: Uint8Array, options: TableOptions): Table;
  /** The partition table in a file of the firmware's build: CSV or binary. */
  tableFile(file: Uint8Array, options: TableOptions): Table;
  /** Whether the key partitions have to be read to open this partition. */
  needsKeys(partition: Uint8Array): boolean;
  /** Which sectors of a board to write. Only `AllNvs` knows lists of changes. */
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

/** All of it, as the inspector needs it. */
export interface AllNvs extends Nvs {
  /** What a file is, and where in it the NVS partition and its keys are. */
  identify(file: Uint8Array, options?: IdentifyOptions): Identified;
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
}

/** A report in the form that the module gives it. */
export function report<T>(call: () => string): T {
  return JSON.parse(guarded(call)) as T;
}

/** What the module says is a problem comes as its JSON; anything else is a fault of the module. */
export function guarded<T>(call: () => T): T {
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

export function keyList(keys: Keys): (string | Uint8Array)[] {
  if (keys === undefined) return [];
  if (keys instanceof Uint8Array) return [keys];
  return 'given' in keys ? [keys.given] : keys.onChip.flatMap(({ name, bytes }) => [name, bytes]);
}

/** New for each report, so that nobody can try values against its fingerprints later. */
export function newSalt(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}

const SECTOR = 4096;
const TABLE_OFFSET = 0x8000;

/** A plan as the module gives it, with the bytes of its sectors. */
export function planOf(answer: unknown, partition: Uint8Array): Plan {
  const [json, after] = answer as [string, Uint8Array];
  const plan = JSON.parse(json) as Omit<Plan, 'after'>;
  const sectors = plan.sectors.map((sector) => {
    const start = sector.number * SECTOR;
    return { ...sector, old: partition.subarray(start, start + SECTOR), new: after.subarray(start, start + SECTOR) };
  });
  return { ...plan, sectors, after };
}

/** The calls that both modules have. */
export function boardCalls(wasm: typeof boardModule): Nvs {
  return {
    entries: (image, keys, { readonly, force } = {}) =>
      report(() => wasm.entries(image, keyList(keys), readonly ?? false, force ?? false)),

    table: (sector, { offset, flashSize, flashEncryption, partition }) =>
      report(() => wasm.table(sector, offset ?? TABLE_OFFSET, flashSize, flashEncryption ?? false, partition)),

    tableFile: (file, { offset, flashSize, partition }) =>
      report(() => wasm.table_file(file, offset ?? TABLE_OFFSET, flashSize, partition)),

    needsKeys: (partition) => guarded(() => wasm.needs_keys(partition)),

    plan({ target: { nvs }, partition, keys, wanted, overwrite, salt }) {
      if (!('image' in wanted)) throw new NvsError('internal', 'lists of changes are in the other module');
      const { image } = wanted;
      const answer = guarded(() =>
        wasm.plan(
          ...([nvs.name, nvs.offset, nvs.size] as const),
          ...([partition, keyList(keys), image, overwrite ?? false, salt ?? newSalt()] as const),
        ),
      );
      return planOf(answer, partition);
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
}
