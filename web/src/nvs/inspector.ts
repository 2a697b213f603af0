/** The module that the inspector needs. It has what the other one has too. */
import init, * as wasm from './generated/inspector/fleetmint_web.js';
import { boardCalls, guarded, keyList, newSalt, planOf, report, type AllNvs } from './calls.ts';
import type { Changes, Keys, Patched } from './types.ts';

export async function start(source: BufferSource | undefined): Promise<AllNvs> {
  await init({ module_or_path: source ?? (await import('./inspector-module.ts')).module() });
  return nvs;
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

const board = boardCalls(wasm);

const nvs: AllNvs = {
  ...board,

  identify: (file, { partition, tableOffset, force } = {}) =>
    report(() => wasm.identify(file, partition, tableOffset, force ?? false)),

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

  plan(input) {
    const { target, partition, keys, wanted, overwrite, salt } = input;
    if ('image' in wanted) return board.plan(input);
    const { nvs } = target;
    const changes = changeList(wanted.changes);
    const answer = guarded(() =>
      wasm.plan_changes(
        ...([nvs.name, nvs.offset, nvs.size] as const),
        ...([partition, keyList(keys), changes, overwrite ?? false, salt ?? newSalt()] as const),
      ),
    );
    return planOf(answer, partition);
  },
};
