/**
 * NVS partitions, partition tables and flash plans: the crates fleetmint-nvs and fleetmint-board, as WebAssembly.
 *
 * Nothing here touches the network except `load`, which gets the module itself, and nothing is kept: each call takes the bytes
 * that it is about. What a call was given and what it made is overwritten in the module's memory when the call ends.
 */
import init, * as wasm from './generated/fleetmint_web.js'

import { NvsError } from './error.ts'
import type {
  Changes,
  Check,
  CheckOptions,
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
} from './types.ts'

export { NvsError } from './error.ts'
export type * from './types.ts'

/** Each call throws an `NvsError` where it cannot be done. Images, keys and files are not changed. */
export interface Nvs {
  /** What a file is, and where in it the NVS partition and its keys are. */
  identify(file: Uint8Array, options?: IdentifyOptions): Identified
  /** The values of a partition, without the values themselves; how full it is; whose it is. */
  entries(image: Uint8Array, keys?: Keys, options?: ReadOptions): Listing
  /** The value of `entries[index]`. It may be a secret. */
  value(image: Uint8Array, keys: Keys, index: number, options?: ReadOptions): Value
  /** What is wrong with a partition, and what the firmware will do about it. */
  check(image: Uint8Array, keys?: Keys, options?: CheckOptions): Check
  /** Each page and each of its 126 slots, as they are. */
  map(image: Uint8Array, keys?: Keys): Map
  /** What differs between two partitions; with `reveal`, with the values. */
  diff(a: Uint8Array, aKeys: Keys, b: Uint8Array, bKeys: Keys, reveal?: false): MaskedChange[]
  diff(a: Uint8Array, aKeys: Keys, b: Uint8Array, bKeys: Keys, reveal: true): RevealedChange[]
  /** The partition as the firmware would leave it after these calls. */
  patch(image: Uint8Array, changes: Changes, keys?: Keys, options?: PatchOptions): Patched
  /** The partition as the firmware's own start would leave it. */
  repair(image: Uint8Array, keys?: Keys, options?: PatchOptions): Uint8Array

  /** The partition table of a chip, from its sector. */
  table(sector: Uint8Array, options: TableOptions): Table
  /** The partition table in a file of the firmware's build: CSV or binary. */
  tableFile(file: Uint8Array, options: TableOptions): Table
  /** Whether the key partitions have to be read to open this partition. */
  needsKeys(partition: Uint8Array): boolean
  /** Which sectors of a board to write. */
  plan(input: PlanInput): Plan
  /** Whether a board has every key that both states of a write that was cut off have: then what it holds now can stay. */
  hasAll(now: Uint8Array, before: Uint8Array, after: Uint8Array, keys: Keys): boolean
  /** The strings of the namespace `prov` as a device reads them. They hold its secret. */
  provValues(partition: Uint8Array, keys: Keys): Record<string, string>

  /** The MD5 in lower-case hexadecimal. */
  md5(bytes: Uint8Array): string
  /** Overwrites bytes that held a secret. */
  wipe(...bytes: (Uint8Array | undefined)[]): void
}
