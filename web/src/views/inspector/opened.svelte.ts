// A file that is open: what is known of it, the list of changes made to it, and what the partition is with these changes.
import {
  NvsError,
  type Call,
  type Check,
  type Identified,
  type Keys,
  type Listing,
  type Map as Partition,
  type MaskedChange,
  type AllNvs,
  type PartitionKeys,
  type Patched,
  type Value,
} from '../../nvs/index.ts';
import type { Given } from '../../flash/content.ts';
import { withPartition } from './changes.ts';

/** The board that the bytes were read from: where its partition is, and the keys on it. */
export interface Board {
  readonly port: SerialPort;
  /** The name of the partition. */
  readonly partition: string;
  readonly given: Given;
  readonly keys: PartitionKeys;
  /** `ESP32-C3, 00:…`. */
  readonly name: string;
  /** Partitions that a write was cut off to. */
  readonly interrupted: readonly string[];
}

/** What has to be answered before the partition can be shown. */
export type Question =
  /** The file is not NVS, or its table leaves open where the partition is. */
  | { readonly about: 'file'; readonly error: NvsError }
  /** The partition is encrypted, or the keys are not its own. */
  | { readonly about: 'keys'; readonly error: NvsError };

/** What a person answered. */
interface Answers {
  readonly partition?: string | undefined;
  readonly tableOffset?: number | undefined;
  /** Any bytes are NVS. */
  readonly force?: boolean | undefined;
  readonly keys?: Keys;
  /** Show what can be seen without the keys. */
  readonly withoutKeys?: boolean | undefined;
}

/** How the partition was opened to list its values. */
export type OpenedAs = 'read-write' | 'readonly';

interface Shown {
  readonly image: Uint8Array;
  readonly map: Partition;
  readonly check: Check;
  readonly listing: Listing | undefined;
  readonly openedAs: OpenedAs;
  /** Why there is no listing, or why it is only the one of a partition that is read. */
  readonly error: NvsError | undefined;
}

export class Opened {
  readonly name: string;
  /** `undefined` for a file. */
  readonly board: Board | undefined;
  readonly #nvs: AllNvs;
  readonly #file: Uint8Array;

  #answers: Answers = {};
  #identified = $state.raw<Identified>();
  #question = $state.raw<Question>();
  #keys = $state.raw<Keys>();
  #calls = $state.raw<readonly Call[]>([]);
  #patched = $state.raw<Patched>();
  #shown = $state.raw<Shown>();
  #fleetmint = $state(false);

  constructor(nvs: AllNvs, name: string, file: Uint8Array, board?: Board) {
    this.#nvs = nvs;
    this.name = name;
    this.#file = file;
    this.board = board;
    this.answer({ keys: hasKeys(board?.keys) ? board?.keys : undefined });
  }

  get size(): number {
    return this.#file.length;
  }

  get identified(): Identified | undefined {
    return this.#identified;
  }

  get question(): Question | undefined {
    return this.#question;
  }

  get shown(): Shown | undefined {
    return this.#shown;
  }

  get calls(): readonly Call[] {
    return this.#calls;
  }

  get patched(): Patched | undefined {
    return this.#patched;
  }

  get hasKeys(): boolean {
    return this.#keys !== undefined;
  }

  /** The partition as it is, without the changes. */
  get #original(): Uint8Array {
    const { offset, size } = this.#identified ?? { offset: 0, size: 0 };
    return this.#file.subarray(offset, offset + size);
  }

  get readonly(): boolean {
    return this.#identified?.kind === 'flash' && this.#identified.readonly;
  }

  // ---- What a person answers ------------------------------------------------------------------------------------------------

  answer(more: Answers): void {
    if (more.partition !== undefined) this.#answers = { ...this.#answers, withoutKeys: false };
    this.#answers = { ...this.#answers, ...more };
    this.#undoAll();
    this.#question = undefined;
    this.#identify();
  }

  #identify(): void {
    const { partition, tableOffset, force } = this.#answers;
    try {
      this.#identified = this.#nvs.identify(this.#file, { partition, tableOffset, force });
    } catch (error) {
      this.#question = { about: 'file', error: asNvsError(error) };
      return;
    }
    const found = this.#identified.kind === 'flash' ? this.#identified.keys : undefined;
    this.#keys =
      this.#answers.keys ??
      (found?.state === 'fit' && found.offset !== undefined
        ? this.#file.subarray(found.offset, found.offset + (found.size ?? 0))
        : undefined);
    this.#show(this.#original);
  }

  #show(image: Uint8Array): void {
    try {
      this.#shown = this.#read(image);
      this.#question = undefined;
    } catch (error) {
      this.#question = { about: 'keys', error: asNvsError(error) };
    }
  }

  #read(image: Uint8Array): Shown {
    const keys = this.#keys;
    const { listing, openedAs, error } = this.#list(image);
    if (error?.aboutKeys === true && this.#answers.withoutKeys !== true) throw error;
    const fleetmint = this.#fleetmint || undefined;
    const check = this.#nvs.check(image, keys, { readonly: this.readonly, fleetmint });
    return { image, map: this.#nvs.map(image, keys), check, listing, openedAs, error };
  }

  /** The values; where the firmware could not start with the right to write, those that it can read. */
  #list(image: Uint8Array): Pick<Shown, 'listing' | 'openedAs' | 'error'> {
    const first: OpenedAs = this.readonly ? 'readonly' : 'read-write';
    try {
      return { listing: this.#entries(image, first), openedAs: first, error: undefined };
    } catch (caught) {
      const error = asNvsError(caught);
      if (error.aboutKeys || first === 'readonly') return { listing: undefined, openedAs: first, error };
      try {
        return { listing: this.#entries(image, 'readonly'), openedAs: 'readonly', error };
      } catch {
        return { listing: undefined, openedAs: first, error };
      }
    }
  }

  #entries(image: Uint8Array, openedAs: OpenedAs): Listing {
    return this.#nvs.entries(image, this.#keys, { readonly: openedAs === 'readonly' });
  }

  /** Whether `check` also looks at the credentials of a device of Fleetmint. */
  get fleetmint(): boolean {
    return this.#fleetmint;
  }

  set fleetmint(on: boolean) {
    this.#fleetmint = on;
    if (this.#shown !== undefined) this.#show(this.#shown.image);
  }

  // ---- What a person asks ---------------------------------------------------------------------------------------------------

  /** A value. It may be a secret: keep it only as long as it is shown. */
  value(index: number): Value {
    if (this.#shown === undefined) throw new Error('no partition is open');
    return this.#nvs.value(this.#shown.image, this.#keys, index, { readonly: this.#shown.openedAs === 'readonly' });
  }

  /** What differs between this partition and another one, as both are shown. */
  compare(other: Opened): MaskedChange[] {
    return this.#nvs.diff(...this.#sides(other));
  }

  /** The same differences with the values: two of one of them, in the order of `compare`. */
  reveal(other: Opened, index: number): { before: Value | undefined; after: Value | undefined } {
    const change = this.#nvs.diff(...this.#sides(other), true)[index];
    return { before: change?.before, after: change?.after };
  }

  #sides(other: Opened): [Uint8Array, Keys, Uint8Array, Keys] {
    if (this.#shown === undefined || other.#shown === undefined) throw new Error('no partition is open');
    return [this.#shown.image, this.#keys, other.#shown.image, other.#keys];
  }

  // ---- Changes --------------------------------------------------------------------------------------------------------------

  /** Makes one more change. Throws the `NvsError` of the firmware that refuses it, and changes nothing then. */
  change(call: Call): void {
    this.#apply([...this.#calls, call]);
  }

  /** Takes one change back. Throws where a later one depends on it. */
  undo(index = this.#calls.length - 1): void {
    this.#apply(this.#calls.filter((_, at) => at !== index));
  }

  undoAll(): void {
    this.#undoAll();
    if (this.#identified !== undefined) this.#show(this.#original);
  }

  #undoAll(): void {
    this.#wipePatched();
    this.#calls = [];
    this.#patched = undefined;
  }

  #apply(calls: readonly Call[]): void {
    if (calls.length === 0) return this.undoAll();
    const patched = this.#nvs.patch(this.#original, [...calls], this.#keys);
    this.#wipePatched();
    this.#calls = calls;
    this.#patched = patched;
    this.#show(patched.image);
  }

  #wipePatched(): void {
    this.#nvs.wipe(this.#patched?.image);
  }

  /** The whole file with the changes: the partition, or the dump around it. */
  changedFile(): Uint8Array {
    const { offset } = this.#identified ?? { offset: 0 };
    return withPartition(this.#file, offset, this.#patched?.image ?? this.#original);
  }

  /** The whole file as the firmware's start would leave it. */
  repairedFile(): Uint8Array {
    const { offset } = this.#identified ?? { offset: 0 };
    const repaired = this.#nvs.repair(this.#original, this.#keys);
    const file = withPartition(this.#file, offset, repaired);
    this.#nvs.wipe(repaired);
    return file;
  }

  /**
   * The list of changes was carried out on the board, whose partition was `before` by then: its firmware may have run since it was
   * read. What the board holds now is shown, without a list of changes.
   */
  written(before: Uint8Array): void {
    const patched = this.#calls.length === 0 ? undefined : this.#nvs.patch(before, [...this.#calls], this.#keys).image;
    this.#file.set(patched ?? before);
    this.#nvs.wipe(patched);
    this.undoAll();
  }

  /** Overwrites the file, its keys and what was made of them. Nothing can be asked afterwards. */
  close(): void {
    this.#nvs.wipe(this.#file, this.#patched?.image, ...bytesOf(this.#keys), ...bytesOf(this.#answers.keys));
    this.#answers = {};
    this.#calls = [];
    this.#keys = undefined;
    this.#patched = undefined;
    this.#shown = undefined;
    this.#identified = undefined;
    this.#question = undefined;
  }
}

function hasKeys(keys: PartitionKeys | undefined): boolean {
  return keys !== undefined && ('given' in keys || keys.onChip.length > 0);
}

function bytesOf(keys: Keys): Uint8Array[] {
  if (keys === undefined) return [];
  if (keys instanceof Uint8Array) return [keys];
  return 'given' in keys ? [keys.given] : keys.onChip.map(({ bytes }) => bytes);
}

export function asNvsError(error: unknown): NvsError {
  if (error instanceof NvsError) return error;
  return new NvsError('internal', error instanceof Error ? error.message : String(error));
}
