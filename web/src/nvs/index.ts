/**
 * NVS partitions, partition tables and flash plans: the crates fleetmint-nvs and fleetmint-board, as WebAssembly.
 *
 * There are two modules: `load` gets what provisioning needs, `loadAll` what the inspector needs, which contains the other.
 * A visit loads one of them. Nothing here touches the network except to get a module, and nothing is kept: each call takes
 * the bytes that it is about. What a call was given and what it made is overwritten in the module's memory when the call ends.
 */
import type { AllNvs, Nvs } from './calls.ts';

export type { AllNvs, Nvs } from './calls.ts';
export { NvsError } from './error.ts';
export type * from './types.ts';

let loaded: Promise<Nvs> | undefined;
let loadedAll: Promise<AllNvs> | undefined;

/**
 * What provisioning needs, got once. `source` is the module's bytes, where there is nothing to fetch them from: a test, or a
 * page opened from a folder.
 */
export function load(source?: BufferSource): Promise<Nvs> {
  loaded ??= loadedAll ?? import('./board.ts').then(({ start }) => start(source));
  // What failed can be tried again.
  loaded.catch(() => (loaded = undefined));
  return loaded;
}

/** What the inspector needs, got once. */
export function loadAll(source?: BufferSource): Promise<AllNvs> {
  loadedAll ??= import('./inspector.ts').then(({ start }) => start(source));
  loadedAll.catch(() => (loadedAll = undefined));
  return loadedAll;
}
