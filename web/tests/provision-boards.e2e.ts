// Boards of all kinds: chips, cables, encryption, and what each refusal says.
import { NVS } from './harness/board.ts';
import { agree, connect, done, expect, newDevice, openProvision, planned, says, test, write } from './harness/desk.ts';
import { NVS_ROW, ROWS, type Row, flashOf, nvsCommand, usedNvs, valuesOf, wornNvs } from './harness/flash.ts';

const CHIPS = [
  'esp32',
  'esp32s2',
  'esp32s3',
  'esp32c2',
  'esp32c3',
  'esp32c5',
  'esp32c6',
  'esp32c61',
  'esp32h2',
  'esp32p4',
] as const;

const KEY_ROWS: Row[] = [
  NVS_ROW,
  { name: 'nvs_key', type: 'nvs_keys', offset: 0xf000, size: 0x1000 },
  { name: 'factory', type: 'factory', offset: 0x10000, size: 0x100000 },
];
const CSV = 'nvs,data,nvs,0x9000,0x6000,\nnvs_key,data,nvs_keys,0xf000,0x1000,\nfactory,app,factory,0x10000,1M,\n';

/** An encrypted partition that is in use, and its key partition. */
function encrypted(): { nvs: Buffer; keys: Buffer } {
  const csv = 'key,type,encoding,value\napp,namespace,,\nboots,data,u16,513\nsecret,data,string,SECRET-of-the-app\n';
  const keys = nvsCommand({}, ['generate-key', '--keyfile', 'keys.bin'], 'keys/keys.bin');
  const args = ['encrypt', 'nvs.csv', 'nvs.bin', '0x6000', '--inputkey', 'keys.bin'];
  return { nvs: nvsCommand({ 'nvs.csv': csv, 'keys.bin': keys }, args, 'nvs.bin'), keys };
}

test.for(CHIPS)('a board with %s', async (chip, { server, ready }) => {
  const before = usedNvs();
  const { device, board, desk } = await ready({ chip, flash: flashOf({ nvs: before }) });
  await agree(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, before))).toBe(true);
  expect(await board.report()).toMatchObject({ violations: 0, boots: 1 });
  expect(new Set((await board.report()).bauds)).toEqual(new Set([115_200]));
  expect(await desk.dialog.textContent()).toContain(chip);
  const known = await server.call<{ board: object }>('GET', `/api/devices/${device.id}`);
  expect(known.board).toMatchObject({ mac: board.mac, chip });
});

test('a board on the USB of its chip', async ({ server, ready }) => {
  const before = usedNvs();
  const { device, board, desk } = await ready({ chip: 'esp32c6', flash: flashOf({ nvs: before }), usbJtag: true });
  await agree(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, before))).toBe(true);
  expect((await board.report()).boots).toBe(1);
});

test('a board whose port is another one once it is reset', async ({ server, ready }) => {
  const before = usedNvs();
  const { device, board, desk } = await ready({
    flash: flashOf({ nvs: before }),
    usbJtag: true,
    with: ['--reenumerates'],
  });
  await agree(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, before))).toBe(true);
  const text = await desk.dialog.textContent();
  expect(text).toContain('its firmware starts');
  const { items } = await server.call<{ items: unknown[] }>('GET', `/api/devices/${device.id}/flashes`);
  expect(items).toMatchObject([{ outcome: 'written' }]);
});

test('encrypted NVS with its keys on the chip', async ({ server, ready }) => {
  const { nvs, keys } = encrypted();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs, nvs_key: keys }, KEY_ROWS) });
  await connect(desk);
  await says(desk, 'at offset 0x9000, encrypted');
  await write(desk);
  await done(desk);
  const after = await board.readByEsptool();
  expect(after.equals(await planned(server, device, nvs, keys))).toBe(true);
  expect(valuesOf(after, keys).get('app/secret')).toBe('SECRET-of-the-app');
  expect(after.includes(device.key)).toBe(false);
});

test('flash encryption: the table and the keys by file', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const { nvs, keys } = encrypted();
  const flash = flashOf({ nvs, nvs_key: Buffer.alloc(0x1000, 0x5a) }, KEY_ROWS);
  // What a reader sees of an encrypted partition table.
  for (let place = 0x8000; place < 0x8c00; place += 1) flash[place] = (place * 197 + (place >> 3)) & 0xff;
  const board = await plug({ flash, with: ['--flash-encryption'] });
  const desk = await sit(board);
  await openProvision(desk, device);
  await connect(desk);
  await desk.dialog.getByRole('heading', { name: 'Flash encryption is on' }).waitFor();
  await desk.dialog.getByLabel('Partition table of the firmware').setInputFiles({
    name: 'partitions.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(CSV),
  });
  await desk.dialog.getByRole('button', { name: 'Try with these' }).click();
  await desk.dialog.getByRole('heading', { name: /keys/i }).waitFor();
  await desk.dialog.getByLabel('Keys of the NVS partition').setInputFiles({
    name: 'keys.bin',
    mimeType: 'application/octet-stream',
    buffer: keys,
  });
  await desk.dialog.getByRole('button', { name: 'Try with these' }).click();
  await write(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, nvs, keys))).toBe(true);
});

test('a partition whose keys are lost is replaced only on demand, and it says what is lost', async ({
  server,
  ready,
}) => {
  const { nvs } = encrypted();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs }) });
  await connect(desk);
  await desk.dialog
    .getByRole('heading', { name: 'The partition is encrypted, and its keys are not on the chip' })
    .waitFor();
  await desk.dialog.getByLabel('Replace the partition by a fresh one').check();
  await desk.dialog.getByRole('button', { name: 'Try with these' }).click();
  await says(desk, 'entries that cannot be read');
  const saved = desk.page.waitForEvent('download');
  await desk.dialog.getByRole('button', { name: 'Save the partition as a file' }).click();
  const { readFile } = await import('node:fs/promises');
  expect((await readFile(await (await saved).path())).equals(nvs)).toBe(true);
  expect((await board.report()).erased).toEqual([]);
  await write(desk);
  await done(desk);
  const blank = new Uint8Array(NVS.size).fill(0xff);
  expect(valuesOf(await board.readByEsptool())).toEqual(valuesOf(await planned(server, device, blank)));
});

interface Refused {
  what: string;
  flash: () => Buffer;
  with?: string[];
  says: string | RegExp;
}

const offset = (rows: Row[], change: Partial<Row>): Row[] => [{ ...NVS_ROW, ...change }, ...rows.slice(1)];

/** Each refusal: what it says, and that nothing was written. */
const REFUSED: Refused[] = [
  { what: 'no firmware', flash: () => Buffer.alloc(16, 0xff), says: 'There is no firmware on this board' },
  {
    what: 'a table elsewhere',
    flash: () => Buffer.concat([Buffer.alloc(0x8000, 0xff), Buffer.from('something else'.repeat(300))]),
    says: 'There is no partition table where it is expected',
  },
  { what: 'no NVS partition', flash: () => flashOf({}, ROWS.slice(1)), says: 'The board has no NVS partition' },
  {
    what: 'several NVS partitions',
    flash: () =>
      flashOf({}, [{ ...NVS_ROW, name: 'one' }, { ...NVS_ROW, name: 'two', offset: 0x120000 }, ...ROWS.slice(1)]),
    says: 'The board has several NVS partitions',
  },
  {
    what: 'a readonly partition',
    flash: () => flashOf({}, offset(ROWS, { readonly: true })),
    says: 'The partition has the flag “readonly”',
  },
  {
    what: 'a partition with the flag encrypted',
    flash: () => flashOf({}, offset(ROWS, { encrypted: true })),
    says: 'The partition has the flag “encrypted”',
  },
  {
    what: 'a table for a larger flash',
    flash: () => flashOf({}, [{ ...NVS_ROW, offset: 0x800000 }, ...ROWS.slice(1)]).subarray(0, 0x100000),
    says: 'The partition does not fit into this flash',
  },
  {
    what: 'a partition of one page',
    flash: () => flashOf({}, offset(ROWS, { size: 0x1000 })),
    says: 'A partition of one page cannot be changed',
  },
  {
    what: 'a partition that holds something else',
    flash: () => flashOf({ nvs: Buffer.from('no NVS here '.repeat(2048)).subarray(0, NVS.size) }),
    says: 'The partition holds something else than NVS',
  },
  {
    what: 'a full partition',
    flash: () => {
      const rows = Array.from({ length: 5 }, (_, number) => `large${number},data,string,${'x'.repeat(3900)}\n`);
      for (let number = 0; number < 3; number += 1) rows.push(`small${number},data,u8,1\n`);
      const csv = `key,type,encoding,value\napp,namespace,,\n${rows.join('')}`;
      return flashOf({ nvs: nvsCommand({ 'nvs.csv': csv }, ['generate', 'nvs.csv', 'nvs.bin', '0x6000'], 'nvs.bin') });
    },
    says: 'The partition has no room',
  },
];

test(
  'each refusal of a partition says what to do, and nothing is written',
  { timeout: 180_000 },
  async ({ server, plug, sit }) => {
    const device = await newDevice(server);
    const board = await plug();
    const desk = await sit(board);
    const whole = Buffer.alloc(4 << 20, 0xff);
    for (const { what, flash, says: said } of REFUSED) {
      const content = flash();
      await board.setFlash(whole);
      await board.setFlash(content);
      await openProvision(desk, device);
      await connect(desk);
      await desk.dialog
        .getByRole('heading', { name: said })
        .waitFor()
        .catch(async () => expect.fail(`${what}: ${await desk.dialog.textContent()}`));
      expect((await desk.dialog.textContent())!.includes('SECRET'), what).toBe(false);
      await desk.dialog.getByRole('button', { name: 'Cancel' }).click();
      await desk.dialog.getByRole('heading', { name: 'Cancelled: nothing was written.' }).waitFor();
    }
    // Each time its firmware starts again.
    expect(await board.report()).toMatchObject({ erased: [], written: 0, boots: REFUSED.length });
    const { items } = await server.call<{ items: unknown[] }>('GET', `/api/devices/${device.id}/flashes`);
    expect(items).toEqual([]);
  },
);

test('a partition is chosen where there are several', async ({ ready }) => {
  const rows: Row[] = [{ ...NVS_ROW, name: 'one' }, { ...NVS_ROW, name: 'two', offset: 0x120000 }, ...ROWS.slice(1)];
  const { device, board, desk } = await ready({ flash: flashOf({ one: usedNvs() }, rows) });
  await connect(desk);
  await desk.dialog.getByLabel('NVS partition (optional)', { exact: true }).selectOption('two');
  await desk.dialog.getByRole('button', { name: 'Try with these' }).click();
  await write(desk);
  await done(desk);
  const written = await board.readByEsptool({ offset: 0x120000, size: NVS.size });
  expect(valuesOf(written).get('prov/device_key')).toBe(device.key);
  expect((await board.nvs()).equals(usedNvs())).toBe(true);
});

const CONNECTIONS: { what: string; with?: string[]; fails?: object; says: string }[] = [
  { what: 'secure download mode', with: ['--secure-download'], says: 'The chip is in secure download mode' },
  {
    what: 'an application that runs',
    with: ['--mode', 'application', '--no-reset-lines'],
    says: 'The board’s application runs, and it is not in download mode',
  },
  { what: 'nobody answers', with: ['--mode', 'silent'], says: 'No answer from a chip' },
  { what: 'another program has the port', fails: { open: 'NetworkError' }, says: 'The port cannot be opened' },
];

test.for(CONNECTIONS)('$what', async ({ with: more, fails, says: said }, { server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({ nvs: usedNvs() }), ...(more ? { with: more } : {}) });
  board.fails = fails ?? {};
  const desk = await sit(board);
  await openProvision(desk, device);
  await connect(desk);
  await desk.dialog.getByRole('heading', { name: said }).waitFor({ timeout: 20_000 });
  expect(await board.report()).toMatchObject({ erased: [], written: 0 });
  expect(await desk.dialog.textContent()).toContain('This attempt has written nothing to the board.');
});

test('an ESP32 in secure download mode does not say which chip it is', async ({ ready }) => {
  const { desk } = await ready({ chip: 'esp32', with: ['--secure-download'] });
  await connect(desk);
  await desk.dialog.getByRole('heading', { name: 'The chip is in secure download mode' }).waitFor({ timeout: 20_000 });
});

test('a board without reset lines, with BOOT held', async ({ server, ready }) => {
  const before = usedNvs();
  const { device, board, desk } = await ready({
    flash: flashOf({ nvs: before }),
    with: ['--mode', 'application', '--no-reset-lines'],
  });
  await connect(desk);
  const retry = desk.dialog.getByRole('button', { name: 'Try again without a reset (BOOT held)' });
  await retry.waitFor({ timeout: 20_000 });
  await board.tell('boot');
  await retry.click();
  await write(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, before))).toBe(true);
});

test('a board whose flash does not take what is written', async ({ server, ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  await connect(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
  await board.tell('stick');
  await write(desk);
  await desk.dialog
    .getByRole('heading', { name: 'The chip’s checksum differs from what was written' })
    .waitFor({ timeout: 20_000 });
  const { items } = await server.call<{ items: object[] }>('GET', `/api/devices/${device.id}/flashes`);
  expect(items).toMatchObject([{ outcome: 'failed' }]);
  expect((await board.report()).boots).toBe(0);
});

test('a line that changes a bit of what is read', async ({ server, ready }) => {
  const before = usedNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  await board.tell('garble');
  await connect(desk);
  await desk.dialog
    .getByRole('heading', { name: 'What was read differs from the chip’s checksum' })
    .waitFor({ timeout: 20_000 });
  expect(await board.report()).toMatchObject({ erased: [], written: 0, boots: 1 });
  await desk.dialog.getByRole('button', { name: 'Try again' }).click();
  await write(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, before))).toBe(true);
});

test('a chip that stops answering in the middle of a write', async ({ server, ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  await connect(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
  await board.tell('babble-at FLASH_DEFL_DATA');
  await write(desk);
  await desk.dialog.getByRole('heading', { name: 'The chip has stopped answering' }).waitFor({ timeout: 30_000 });
  await says(desk, 'The write was cut off.');
  await board.tell('babble-at nothing');
  await desk.dialog.getByRole('button', { name: 'Try again' }).click();
  await says(desk, 'A write to this board was cut off');
  await write(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, before))).toBe(true);
});
