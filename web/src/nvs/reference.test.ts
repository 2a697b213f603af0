// @vitest-environment node
// The module against what Espressif's library says of its images, and leaves in the flash.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { start as startBoard } from './board.ts';
import { loadAll, NvsError, type AllNvs, type Nvs } from './index.ts';
import { bytes, goldens, keysOf, moduleBytes, patches, type Wanted } from './reference.ts';
import type { Call, Entry, ErrorKind, PartitionKeys, Plan, Target, Value } from './types.ts';

// Some cases are opened once for each of their values.
vi.setConfig({ testTimeout: 60_000 });

const force = true;
let nvs: AllNvs;

beforeAll(async () => {
  nvs = await loadAll(moduleBytes());
});

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** What the listing and the library must agree on, as one text for each value. */
function comparable(entry: Entry, value: Value): string {
  const { namespace, namespace_hex, key, key_hex, type, ns_index } = entry;
  if (entry.orphan) return JSON.stringify([key, key_hex, type, ns_index]);
  const isFloat = type === 'float' || type === 'double';
  const text = type === 'blob' ? value.hex : isFloat ? value.bits : value.text;
  const hex = type === 'str' ? value.hex : undefined;
  return JSON.stringify([
    ...[namespace, namespace_hex, key, key_hex, type, ns_index, entry.size, entry.repeat ?? false],
    ...[entry.iterated ?? true, text, hex, value.error],
  ]);
}

function wanted(entry: Wanted): string {
  const { namespace, namespace_hex, key, key_hex, type, ns_index } = entry;
  if (entry.orphan) return JSON.stringify([key, key_hex, type, ns_index]);
  const isFloat = type === 'float' || type === 'double';
  const error = entry.error?.split(':').at(-1);
  return JSON.stringify([
    ...[namespace, namespace_hex, key, key_hex, type, ns_index, entry.size, entry.repeat ?? false],
    ...[entry.iterated ?? true, isFloat ? entry.bits : (entry.value ?? undefined), entry.value_hex, error],
  ]);
}

const golden = goldens();

it('has all images of the reference', () => {
  expect([golden.length, patches().length]).toEqual([122, 94]);
});

describe.each(golden)('$name', (one) => {
  const image = (): Uint8Array => bytes('golden', one.image);
  const keys = keysOf('golden', one);

  if (one.init !== 'ESP_OK') {
    it('cannot be opened', () => {
      for (const call of [() => nvs.entries(image(), keys, { force }), () => nvs.repair(image(), keys, { force })]) {
        const error = thrown(call);
        expect(error).toBeInstanceOf(NvsError);
        expect(error.kind).toBe('would-be-erased');
        expect(error.message).toContain(one.init);
      }
    });
    return;
  }

  it('lists what the library lists', () => {
    const listing = nvs.entries(image(), keys, { force });
    const got = listing.entries.map((entry) => comparable(entry, nvs.value(image(), keys, entry.index, { force })));
    const want = [...(one.entries ?? []), ...(one.not_iterated ?? [])].map(wanted);
    expect(got.toSorted()).toEqual(want.toSorted());
    const { namespace_count: namespaces, ...stats } = one.stats;
    expect(listing.usage).toEqual({ ...stats, namespaces, pages: one.partition_pages });
  });

  it('is repaired as the library repairs it', () => {
    const before = image();
    const repaired = nvs.repair(before, keys, { force });
    expect(sha256(repaired)).toBe(one.sha256_after_init ?? one.sha256);
    expect(sha256(before)).toBe(one.sha256);
  });

  it('has a map with the library’s counts', () => {
    const { pages } = nvs.map(image(), keys);
    expect(pages.map((page) => page.slots.length)).toEqual(pages.map(() => 126));
    const counts = pages.map(({ slots, version }) => {
      const count = (state: string): number => slots.filter((slot) => slot.state === state).length;
      const [empty, written, erased, illegal] = ['empty', 'written', 'erased', 'illegal'].map(count);
      return { version, bitmap: { empty, written, erased, illegal } };
    });
    expect(counts).toEqual(one.pages.map(({ version, bitmap }) => ({ version, bitmap })));
  });
});

describe.each(patches())('$name', (one) => {
  it('is changed as the library changes it', () => {
    const before = bytes('patch', `${one.name}.before.bin`);
    const call = (): Uint8Array => {
      const made = nvs.patch(before, bytes('patch', `${one.name}.csv`), keysOf('patch', one), { force });
      expect(made.changed_sectors).toEqual(one.changed_sectors);
      return made.image;
    };
    const refused = one.error ?? (one.quirk === undefined ? undefined : 'KEY_TOO_LONG');
    if (refused === undefined || (one.error === null && one.name === 'quirk_one_page_blank')) {
      if (one.name === 'quirk_one_page_blank') {
        // The firmware makes the change and cannot start afterwards: a tool does not make it.
        expect(thrown(call).kind).toBe('one-page');
        return;
      }
      expect(sha256(call())).toBe(sha256(bytes('patch', `${one.name}.after.bin`)));
      return;
    }
    const error = thrown(call);
    expect(error).toBeInstanceOf(NvsError);
    if (one.name === 'one_page') {
      expect(error.kind).toBe('one-page');
      return;
    }
    expect(error.message).toContain(refused);
    if (one.row) expect(error.row).toBe(one.row);
  });
});

function thrown(call: () => unknown): NvsError {
  try {
    call();
  } catch (error) {
    return error as NvsError;
  }
  throw new Error('nothing was thrown');
}

describe('a plan', () => {
  const target = (size: number): Target => {
    const nvs = { name: 'nvs', type: 'data, nvs', offset: 0x9000, size, encrypted: false, readonly: false };
    return { nvs, keys: [] };
  };
  const cases = patches().filter((one) => one.error === null && one.quirk === undefined);

  it.each(cases)('makes of $name what the library makes of it, or says why not', (one) => {
    const partition = bytes('patch', `${one.name}.before.bin`);
    const given = keysOf('patch', one);
    const keys: PartitionKeys = given ? { given } : { onChip: [] };
    const wanted = { changes: bytes('patch', `${one.name}.csv`) };
    const refused = REFUSED[one.name];
    const make = (): Plan => nvs.plan({ target: target(partition.length), partition, keys, wanted });
    if (refused !== undefined) {
      expect(thrown(make).kind).toBe(refused);
      return;
    }
    const plan = make();
    const after = bytes('patch', `${one.name}.after.bin`);
    expect(sha256(plan.after)).toBe(sha256(after));
    expect(plan.sectors.map(({ number }) => number)).toEqual(one.changed_sectors);
    expect(plan.sectors.map(({ offset }) => offset)).toEqual(
      one.changed_sectors?.map((number) => 0x9000 + number * 4096),
    );
    for (const sector of plan.sectors) {
      expect(sector.old).toEqual(partition.subarray(sector.number * 4096, (sector.number + 1) * 4096));
      expect(sector.new).toEqual(after.subarray(sector.number * 4096, (sector.number + 1) * 4096));
    }
  });
});

describe('the module that provisions', () => {
  const KEYS = [
    'device_key',
    'client_id',
    'client_secret',
    'token_url',
    'base_url',
    'mqtt_url',
    'wifi_ssid',
    'wifi_password',
  ];
  let board: Nvs;

  beforeAll(async () => {
    board = await startBoard(moduleBytes('board'));
  });

  it.each(golden)('reads $name as the other one does', (one) => {
    const outcome = (module: Nvs): unknown => {
      try {
        return module.entries(bytes('golden', one.image), keysOf('golden', one), { force });
      } catch (error) {
        return (error as NvsError).kind;
      }
    };
    expect(outcome(board)).toEqual(outcome(nvs));
  });

  // One round each, of nothing but a device's values.
  const provisioned = patches().filter(({ name }) =>
    /^(enc_prov|prov_(?!many)|foreign_reprov|foreign_first)/.test(name),
  );

  it.each(provisioned)('plans for a provisioning image what the library makes of the calls of $name', (one) => {
    const given = keysOf('patch', one);
    const keys: PartitionKeys = given ? { given } : { onChip: [] };
    const after = bytes('patch', `${one.name}.after.bin`);
    const values = board.provValues(after, keys);
    const calls = KEYS.filter((key) => values[key] !== undefined).map((key): Call => ({
      action: 'set',
      namespace: 'prov',
      key,
      encoding: 'string',
      value: values[key] ?? '',
    }));
    const image = nvs.patch(new Uint8Array(0x3000).fill(0xff), calls).image;
    const partition = bytes('patch', `${one.name}.before.bin`);
    const nvsRow = {
      name: 'nvs',
      type: 'data, nvs',
      offset: 0x9000,
      size: partition.length,
      encrypted: false,
      readonly: false,
    };
    const salt = new Uint8Array(16).fill(7);
    const input = { target: { nvs: nvsRow, keys: [] }, partition, keys, wanted: { image }, salt };
    expect(sha256(board.plan(input).after)).toBe(sha256(after));
    expect(board.plan(input)).toEqual(nvs.plan(input));
  });

  it('has no lists of changes', () => {
    const nvsRow = { name: 'nvs', type: 'data, nvs', offset: 0x9000, size: 0x3000, encrypted: false, readonly: false };
    const partition = new Uint8Array(0x3000).fill(0xff);
    const input = { target: { nvs: nvsRow, keys: [] }, partition, keys: { onChip: [] }, wanted: { changes: [] } };
    expect(thrown(() => board.plan(input)).kind).toBe('internal');
  });
});

/** What a plan refuses, because the firmware would lose what is there. */
const REFUSED: Record<string, ErrorKind> = { enc_wrong_key: 'wrong-key' };
