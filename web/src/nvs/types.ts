/**
 * What fleetmint-web says about NVS partitions and boards.
 *
 * Answers have the members that the same reports have on the command line and from the server (`fleetmint nvs … --format
 * json`): snake_case, absent where there is nothing to say. Two things differ, because JavaScript's numbers are doubles: a
 * number that a partition holds is a text with its digits, and bytes are a `Uint8Array`.
 */

export type ValueType =
  'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'float' | 'double' | 'str' | 'blob';

/** A namespace and a key, each as text, or in hexadecimal where it is not UTF-8. */
export interface ItemName {
  namespace?: string;
  namespace_hex?: string;
  key?: string;
  key_hex?: string;
}

/**
 * The keys of an encrypted partition: a key partition, or only the 64 bytes of the keys; or what was found on a chip, of
 * which the keys are used that are the partition's.
 */
export type Keys = Uint8Array | PartitionKeys | undefined;

// ---- A file -----------------------------------------------------------------------------------------------------------------

/** What a file from a chip is. */
export type Identified = IdentifiedPartition | IdentifiedFlash;

export interface IdentifiedPartition {
  kind: 'partition';
  offset: 0;
  size: number;
}

/** A dump of the whole flash. The partition is `file.subarray(offset, offset + size)`. */
export interface IdentifiedFlash {
  kind: 'flash';
  offset: number;
  size: number;
  name: string;
  /** Whether the firmware may only read it. */
  readonly: boolean;
  table_offset: number;
  rows: PartitionRow[];
  /** What the same flash knows of the partition's keys. */
  keys: FlashKeys;
}

/** `fit`: `file.subarray(offset, offset + size)` of `partition` has the keys. `none`: the partition needs no keys, or there are none. */
export interface FlashKeys {
  state: 'none' | 'fit' | 'do-not-fit' | 'unreadable';
  partition?: string;
  offset?: number;
  size?: number;
}

export interface IdentifyOptions {
  /** The name of a partition in a dump of the whole flash; by default `nvs`, or the only one of type NVS. */
  partition?: string | undefined;
  /** By default the table is searched for. */
  tableOffset?: number | undefined;
  /** Accept any bytes as NVS. */
  force?: boolean | undefined;
}

// ---- The values of a partition ----------------------------------------------------------------------------------------------

/** The values of a partition as the firmware lists them after its start, without the values themselves. */
export interface Listing {
  /** In the firmware's order; `entries[i].index === i`. */
  entries: Entry[];
  namespaces: { name: string; name_hex?: string; index: number }[];
  usage: Usage;
  /** What the firmware's start would repair. */
  repairs: Repair[];
  encrypted: boolean;
  /** The device whose values the partition holds, of what is not secret. */
  device?: { device_key?: string; client_id?: string };
}

export interface Entry extends ItemName {
  /** For `value`, and in the slots of a map. */
  index: number;
  type: ValueType;
  /** Bytes of a string (with its NUL) or a blob as stored. */
  size?: number;
  ns_index: number;
  /** Where its first slot is, after the firmware's start. */
  page: number;
  slot: number;
  /** The firmware's error, if its getter fails. */
  error?: string;
  /** No namespace has its index. */
  orphan?: boolean;
  /** The same key and type came before: the getter gives that one. */
  repeat?: boolean;
  /** No getter returns it, because another namespace has the same name. */
  unreachable?: boolean;
  /** `false`: a blob of the old format, which the firmware's iterator skips. */
  iterated?: boolean;
}

/** Entries of 32 bytes, as `nvs_get_stats` counts them. */
export interface Usage {
  pages: number;
  used_entries: number;
  free_entries: number;
  /** Free ones without the page that always stays free. */
  available_entries: number;
  total_entries: number;
  namespaces: number;
}

export interface Repair {
  page: number;
  entry?: number;
  what: string;
}

/** A value. Exactly one of `text`, `hex` and `error` is there. */
export interface Value {
  type: ValueType;
  /** Bytes of a string (with its NUL) or a blob as stored. */
  size?: number;
  /** A number's digits, or a string. */
  text?: string;
  /** A blob, or a string that is not UTF-8. */
  hex?: string;
  /** Of a float or a double. */
  bits?: string;
  /** The firmware's error. */
  error?: string;
}

export interface ReadOptions {
  /** Read it as a partition that the firmware may only read. */
  readonly?: boolean | undefined;
  /** Read it even if the firmware would erase everything, because the keys are missing or others. */
  force?: boolean | undefined;
}

// ---- check ------------------------------------------------------------------------------------------------------------------

export interface Check {
  clean: boolean;
  /** `ESP_OK`, or the error of the firmware's start with a partition that it may write to. */
  read_write: string;
  /** The same with a partition that has the flag readonly. */
  readonly: string;
  findings: Finding[];
  usage?: Omit<Usage, 'pages'>;
  /** What the firmware's start writes and erases, if it may. */
  start: { writes: number; erases: number };
}

export interface Finding extends ItemName {
  severity: 'error' | 'warning';
  /** A name that stays the same: `wrong-key`, `page-header`, `repair`, `duplicate`, `no-room`, `credential`, … */
  rule: string;
  page?: number;
  entry?: number;
  /** Offset in the partition. */
  offset: number;
  keys?: string[];
  /** The finding in words. */
  what: string;
  /** What the firmware does. */
  firmware: 'nothing' | 'loses-entry' | 'erases-page' | 'erases-partition';
  when: 'start' | 'read' | 'write';
}

export interface CheckOptions {
  readonly?: boolean | undefined;
  /** Also check the credentials that a device of Fleetmint needs. */
  fleetmint?: boolean | undefined;
}

// ---- The picture of pages and entries ---------------------------------------------------------------------------------------

/** The pages as they are in the flash, before any repair. */
export interface Map {
  pages: MapPage[];
}

export interface MapPage {
  number: number;
  /** Offset in the partition. */
  offset: number;
  /** `unknown`: the state word is none of the known ones. */
  state: 'uninitialized' | 'active' | 'full' | 'freeing' | 'corrupt' | 'invalid' | 'unknown';
  /** Why the firmware does not accept the page. */
  fault?: 'header-crc' | 'state' | 'not-blank' | 'version';
  /** The order of the pages in use. */
  sequence: number;
  version: number;
  /** How many of its 126 slots have each state. */
  used: number;
  erased: number;
  free: number;
  /** 126 of them. */
  slots: MapSlot[];
}

export interface MapSlot {
  state: 'empty' | 'written' | 'erased' | 'illegal';
  content: 'blank' | 'namespace' | 'item' | 'data';
  /** The slot in this page where its item begins; of a slot that begins an item its own number. */
  first?: number;
  /** The value in `Listing.entries` that the slot is a part of. */
  entry?: number;
  /** Of a slot that begins an item, also an erased one. */
  item?: MapItem;
}

export interface MapItem {
  ns_index: number;
  /** The type's name, of blobs with its part: `str`, `blob-data`, `blob-index`; or the byte in hexadecimal. */
  type: string;
  span: number;
  /** Of a blob's data. */
  chunk?: number;
  key: string;
  /** Why the firmware would erase it. */
  fault?: string;
}

// ---- diff and patch ---------------------------------------------------------------------------------------------------------

/** A value that may be a secret, masked. */
export interface MaskedValue {
  type: ValueType;
  size?: number;
  /** Equal values of one answer have equal ones. */
  fingerprint?: string;
  error?: string;
}

/** A key that differs. */
export interface Change<V> extends ItemName {
  change: 'added' | 'removed' | 'changed' | 'type-changed';
  ns_index?: number;
  before?: V;
  after?: V;
}

export type MaskedChange = Change<MaskedValue>;
export type RevealedChange = Change<Value>;

/** One call to make in a partition. `encoding` and `value` are those of a row of Espressif's tables. */
export type Call =
  | { action: 'set'; namespace: string; key: string; encoding: Encoding; value: string }
  | { action: 'delete'; namespace: string; key: string }
  | { action: 'delete-all'; namespace: string };

export type Encoding =
  | 'u8'
  | 'i8'
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'u64'
  | 'i64'
  | 'float'
  | 'double'
  | 'string'
  | 'binary'
  | 'hex2bin'
  | 'base64';

/** A list of changes: calls, or the bytes of a CSV as for `fleetmint nvs patch`. */
export type Changes = Call[] | Uint8Array;

export interface Patched {
  /** The partition as the firmware would leave it. */
  image: Uint8Array;
  /** Calls that were made. */
  rows: number;
  /** Of these, deletions of a key that does not exist. */
  absent: number;
  /** Repairs of the firmware's start, before the first call. */
  repairs: number;
  /** Numbers of the 4096-byte sectors that differ. */
  changed_sectors: number[];
  differences: MaskedChange[];
}

export interface PatchOptions {
  /** Change it even if the firmware would erase everything first. */
  force?: boolean | undefined;
}

// ---- A board ----------------------------------------------------------------------------------------------------------------

export interface PartitionRow {
  name: string;
  /** As the CSV of a table names it: `app`, `data, nvs`. */
  type: string;
  offset: number;
  size: number;
  encrypted: boolean;
  readonly: boolean;
}

export interface Table {
  rows: PartitionRow[];
  target: Target;
}

/** The partition that a plan is for, and the partitions that may hold its keys. */
export interface Target {
  nvs: PartitionRow;
  keys: PartitionRow[];
}

export interface TableOptions {
  /** Where the table is in the flash; by default 0x8000. */
  offset?: number | undefined;
  /** Bytes in the flash. */
  flashSize: number;
  /** Whether the chip says that it encrypts its flash. */
  flashEncryption?: boolean | undefined;
  /** The name of the NVS partition; by default `nvs`, or the only one. */
  partition?: string | undefined;
}

/** Where the keys of an encrypted partition come from: given by a person, or the key partitions read off the chip. */
export type PartitionKeys = { given: Uint8Array } | { onChip: { name: string; bytes: Uint8Array }[] };

export interface PlanInput {
  target: Target;
  /** All bytes of the NVS partition, as read off the chip. */
  partition: Uint8Array;
  keys: PartitionKeys;
  /** A device's provisioning image, or a list of changes. */
  wanted: { image: Uint8Array } | { changes: Changes };
  /** If the partition cannot be kept, write a fresh one. */
  overwrite?: boolean | undefined;
  /** Of the fingerprints; by default new and random. */
  salt?: Uint8Array | undefined;
}

export interface Plan {
  /** The sectors to write, by offset. */
  sectors: Sector[];
  /** The partition as it will be. */
  after: Uint8Array;
  differences: MaskedChange[];
  /** What is in other namespaces, and stays. */
  others: { values: number; namespaces: number };
  encrypted: boolean;
  /** The partition already holds what is wanted. */
  unchanged: boolean;
  warnings: Warning[];
  /** Why the partition could not be kept, and what is lost. Only with `overwrite`. */
  overwritten?: Overwritten;
}

export interface Sector {
  /** Its number in the partition. */
  number: number;
  /** Its offset in the flash. */
  offset: number;
  /** What it holds now, and what it is to hold: views of the partition that was given and of `after`. */
  old: Uint8Array;
  new: Uint8Array;
}

export type Warning =
  | { kind: 'repairs'; message: string; count: number }
  | { kind: 'no-keys-yet'; message: string; partition: string }
  | { kind: 'no-longer-encrypted'; message: string }
  | { kind: 'small'; message: string; size: number }
  | { kind: 'other-device'; message: string; key: string };

export interface Overwritten {
  /** What the plan would be refused for. */
  kind: ErrorKind;
  message: string;
  namespaces: number;
  keys: number;
  /** Entries that are in use and cannot be read. */
  unreadable_entries: number;
}

/** Why something cannot be done: names that stay the same. */
export type ErrorKind =
  // A file.
  | 'several-tables'
  | 'unproven-table'
  | 'not-from-start'
  | 'shifted'
  // A partition table.
  | 'flash-erased'
  | 'table-encrypted'
  | 'no-table'
  | 'table'
  | 'partition-not-found'
  | 'no-nvs'
  | 'several-nvs'
  | 'not-nvs-type'
  | 'encrypted-flag'
  | 'overlap'
  | 'before-table'
  | 'misaligned'
  | 'read-only'
  | 'beyond-flash'
  // A partition.
  | 'size'
  | 'cut-short'
  | 'one-page'
  | 'not-nvs'
  | 'would-be-erased'
  | 'cannot-open'
  | 'unknown-type'
  | 'no-room'
  | 'too-many-changes'
  // Its keys.
  | 'key-file'
  | 'key-missing'
  | 'wrong-key'
  | 'not-encrypted'
  | 'keys-do-not-fit'
  | 'keys-unreadable'
  // What is wanted.
  | 'image'
  | 'change'
  // No value has this index.
  | 'no-such-entry'
  // A fault of this program.
  | 'internal';
