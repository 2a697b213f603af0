// @vitest-environment node
import { beforeAll, describe, expect, it } from 'vitest';
import { loadAll, NvsError, type AllNvs } from '../../nvs/index.ts';
import { bytes, moduleBytes } from '../../nvs/reference.ts';
import { changedName, encodingOf, inputOf, INPUTS, typeOf, valueOf } from './changes.ts';
import { Opened } from './opened.svelte.ts';

let nvs: AllNvs;
beforeAll(async () => {
  nvs = await loadAll(moduleBytes());
});

const golden = (name: string): Uint8Array => bytes('golden', `${name}.bin`);
const used = (): Uint8Array => bytes('patch', 'foreign_reprov.before.bin');
const open = (file: Uint8Array): Opened => new Opened(nvs, 'board.bin', file);

describe('opening a file', () => {
  it('shows a plain partition at once', () => {
    const opened = open(used());
    expect(opened.question).toBeUndefined();
    expect(opened.shown?.listing?.entries.length).toBe(30);
    expect(opened.shown?.listing?.device?.device_key).toBe('bqsdj8j2');
  });

  it('holds no value before one is asked for', () => {
    const opened = open(used());
    expect(JSON.stringify([opened.shown?.listing, opened.shown?.map, opened.shown?.check])).not.toContain(
      'example.com',
    );
    const url = opened.shown?.listing?.entries.find(({ key }) => key === 'base_url');
    expect(opened.value(url!.index).text).toContain('example.com');
  });

  it('asks for the keys of an encrypted one, and takes no others', () => {
    const opened = open(golden('enc_strings'));
    expect(opened.question).toMatchObject({ about: 'keys', error: { aboutKeys: true } });
    opened.answer({ keys: golden('keyfile-b') });
    expect(opened.question?.about).toBe('keys');
    opened.answer({ keys: golden('keyfile-a') });
    expect(opened.question).toBeUndefined();
    expect(opened.shown?.listing?.encrypted).toBe(true);
    expect(opened.shown?.listing?.entries.length).toBeGreaterThan(0);
  });

  it('shows pages and slots of an encrypted one without its keys', () => {
    const opened = open(golden('enc_strings'));
    opened.answer({ withoutKeys: true });
    expect(opened.question).toBeUndefined();
    expect(opened.shown?.listing).toBeUndefined();
    expect(opened.shown?.error?.aboutKeys).toBe(true);
    expect(opened.shown?.map.pages.some(({ used: slots }) => slots > 0)).toBe(true);
  });

  it('says what is no NVS, and shows it by force', () => {
    const zeros = open(new Uint8Array(0x6000));
    expect(zeros.question).toMatchObject({ about: 'file', error: { kind: 'not-nvs' } });
    zeros.answer({ force: true });
    expect(zeros.question).toBeUndefined();
    expect(zeros.shown?.map.pages.length).toBe(6);
    expect(open(new Uint8Array()).question).toMatchObject({ about: 'file', error: { kind: 'size' } });
    expect(open(new Uint8Array(100)).question?.about).toBe('file');
  });

  it('lists what can only be read, and says why it cannot be written', () => {
    const opened = open(golden('trunc_nofree'));
    expect(opened.shown?.openedAs).toBe('readonly');
    expect(opened.shown?.error?.message).toContain('ESP_ERR_NVS_NO_FREE_PAGES');
    const [first] = opened.shown?.listing?.entries ?? [];
    expect(opened.value(first!.index).type).toBe(first!.type);
  });
});

describe('the list of changes', () => {
  const set = { action: 'set', namespace: 'app', key: 'boots', encoding: 'u32', value: '7' } as const;

  it('is made one by one, and taken back to the very same bytes', () => {
    const file = used();
    const opened = open(file.slice());
    opened.change(set);
    opened.change({ action: 'delete', namespace: 'app', key: 'sched' });
    expect(opened.patched?.differences.map(({ change, key }) => [change, key])).toEqual([
      ['changed', 'boots'],
      ['removed', 'sched'],
    ]);
    expect(opened.patched?.changed_sectors.length).toBeGreaterThan(0);
    opened.undo(0);
    expect(opened.calls).toEqual([{ action: 'delete', namespace: 'app', key: 'sched' }]);
    opened.undo();
    expect(opened.calls).toEqual([]);
    expect(opened.changedFile()).toEqual(file);
  });

  it('shows the partition as it will be', () => {
    const opened = open(used());
    const value = (): string | undefined => {
      const entry = opened.shown?.listing?.entries.find(({ namespace, key }) => namespace === 'app' && key === 'boots');
      return entry === undefined ? undefined : opened.value(entry.index).text;
    };
    const before = value();
    opened.change(set);
    expect(value()).toBe('7');
    opened.undoAll();
    expect(value()).toBe(before);
    opened.change({ action: 'delete-all', namespace: 'app' });
    expect(value()).toBeUndefined();
  });

  it('is refused by the firmware’s error, and stays as it was', () => {
    const opened = open(golden('full_3'));
    const refused = (call: Parameters<Opened['change']>[0]): string => {
      try {
        opened.change(call);
      } catch (error) {
        expect(error).toBeInstanceOf(NvsError);
        return (error as NvsError).message;
      }
      throw new Error('not refused');
    };
    const blob = { action: 'set', namespace: 'new', key: 'big', encoding: 'hex2bin' } as const;
    expect(refused({ ...blob, value: 'ab'.repeat(3000) })).toContain('ESP_ERR_NVS_NOT_ENOUGH_SPACE');
    expect(refused({ ...set, key: 'a_key_of_sixteen' })).toContain('ESP_ERR_NVS_KEY_TOO_LONG');
    expect(refused({ ...set, encoding: 'u8', value: '300' })).toContain('255');
    expect(opened.calls).toEqual([]);
    expect(opened.changedFile()).toEqual(golden('full_3'));
  });

  it('is of the board after it was written there, though the board has changed since it was read', () => {
    const opened = open(used());
    opened.change(set);
    const meanwhile = open(used());
    meanwhile.change({ ...set, key: 'uptime', value: '9' });
    const before = meanwhile.changedFile();
    opened.written(before);
    expect(opened.calls).toEqual([]);
    expect(opened.changedFile()).toEqual(nvs.patch(before, [set]).image);
  });
});

describe('comparing', () => {
  it('is masked until a value is asked for', () => {
    const a = open(used());
    const b = open(used());
    b.change({ action: 'set', namespace: 'prov', key: 'client_secret', encoding: 'string', value: 'not to be seen' });
    const differences = a.compare(b);
    expect(differences.map(({ change, key }) => [change, key])).toEqual([['changed', 'client_secret']]);
    expect(JSON.stringify(differences)).not.toContain('not to be seen');
    expect(a.reveal(b, 0).after?.text).toBe('not to be seen');
    expect(a.compare(a)).toEqual([]);
  });

  it('works between a plain and an encrypted partition', () => {
    const plain = open(golden('prim_minmax'));
    const encrypted = open(golden('enc_minmax'));
    encrypted.answer({ keys: golden('keyfile-a') });
    expect(plain.compare(encrypted).length).toBeGreaterThanOrEqual(0);
  });
});

describe('closing', () => {
  it('overwrites the file and its keys', () => {
    const file = golden('enc_strings');
    const keys = golden('keyfile-a');
    const opened = open(file);
    opened.answer({ keys });
    opened.close();
    expect([...new Set(file)]).toEqual([0]);
    expect([...new Set(keys)]).toEqual([0]);
    expect(opened.shown).toBeUndefined();
    expect(() => opened.value(0)).toThrow('no partition is open');
  });
});

describe('the form of a value', () => {
  it('has a call for each type, and comes back to the type', () => {
    for (const input of INPUTS) {
      const type = typeOf(encodingOf(input));
      expect(encodingOf(inputOf(type))).toBe(type === 'blob' ? 'hex2bin' : encodingOf(input));
    }
  });

  it('takes hexadecimal as hex editors copy it, and leaves texts alone', () => {
    expect(valueOf('blob-hex', '30 82\n01 0A ')).toBe('3082010A');
    expect(valueOf('blob-hex', '0x3082')).toBe('3082');
    expect(valueOf('str', ' a b ')).toBe(' a b ');
    expect(valueOf('u8', ' 7 ')).toBe('7');
  });

  it('names the changed file after the original', () => {
    expect(changedName('board.bin', 'changed')).toBe('board-changed.bin');
    expect(changedName('board', 'changed')).toBe('board-changed');
    expect(changedName('.bin', 'changed')).toBe('.bin-changed');
  });
});
