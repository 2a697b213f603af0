// For the tests: the images that Espressif's own library wrote, repaired and changed, with what it says of them.
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ItemName } from './types.ts';

const reference = resolve(import.meta.dirname, '../../../crates/fleetmint-nvs/tests/storage/reference');

/** The module's bytes. */
export function moduleBytes(module: 'board' | 'inspector' = 'inspector'): Uint8Array<ArrayBuffer> {
  return readFileSync(resolve(import.meta.dirname, `generated/${module}/fleetmint_web_bg.wasm`));
}

export interface Wanted extends ItemName {
  type: string;
  ns_index: number;
  size?: number;
  value?: string | null;
  value_hex?: string;
  bits?: string;
  error?: string;
  orphan?: boolean;
  repeat?: boolean;
  iterated?: boolean;
}

export interface Golden {
  name: string;
  image: string;
  encrypted: boolean;
  keyfile: string | null;
  init: string;
  partition_pages: number;
  sha256: string;
  sha256_after_init?: string;
  stats: Record<'used_entries' | 'free_entries' | 'available_entries' | 'total_entries' | 'namespace_count', number>;
  pages: { state: string; version: number; bitmap: Record<'empty' | 'written' | 'erased' | 'illegal', number> }[];
  entries?: Wanted[];
  not_iterated?: Wanted[];
}

export interface PatchCase {
  name: string;
  encrypted: boolean;
  keyfile: string | null;
  error: string | null;
  row: number | null;
  changed_sectors?: number[];
  quirk?: unknown;
}

/** A number keeps its digits, as a text. */
function parse<T>(text: string): T {
  return JSON.parse(text.replaceAll(/"value":\s*(-?[0-9][0-9.eE+-]*)/g, '"value":"$1"')) as T;
}

function cases<T extends { name: string }>(folder: string): T[] {
  const names = readdirSync(resolve(reference, folder)).filter((name) => name.endsWith('.json'));
  return names.map((name) => parse<T>(readFileSync(resolve(reference, folder, name), 'utf8')));
}

export const goldens = (): Golden[] => cases('golden');
export const patches = (): PatchCase[] => cases('patch');

export function path(folder: 'golden' | 'patch', name: string): string {
  return resolve(reference, folder, name);
}

export function bytes(folder: 'golden' | 'patch', name: string): Uint8Array {
  return new Uint8Array(readFileSync(path(folder, name)));
}

/** The keys of a case. */
export function keysOf(
  folder: 'golden' | 'patch',
  one: { encrypted: boolean; keyfile: string | null },
): Uint8Array | undefined {
  return one.encrypted && one.keyfile ? bytes(folder, one.keyfile) : undefined;
}
