// A write that is cut off at each of its commands, and the next session, which completes or undoes it.
import { en } from '../src/texts/en.ts';
import { type Board, NVS, SECTOR } from './harness/board.ts';
import {
  type Desk,
  agree,
  again,
  connect,
  cutOff,
  cutWrite,
  done,
  expect,
  newDevice,
  openProvision,
  planned,
  says,
  stored,
  test,
  write,
} from './harness/desk.ts';
import { download } from './harness/inspect.ts';
import { ROWS, flashOf, nvsCommand, tableOf, valuesOf, wornNvs } from './harness/flash.ts';

const FULL = process.env['FLEETMINT_TEST_FULL'] !== undefined;

/** What is kept in the browser of the board's backup is there, and sealed. */
async function expectSealed(desk: Desk): Promise<void> {
  const kept = await stored(desk.page);
  expect(kept).toContain(desk.board.mac);
  expect(kept).not.toContain('SECRET');
  expect(kept).not.toContain('CHIP_KVS');
}

/** The numbers of the commands that write, among all of a session. */
function writes(names: string[]): number[] {
  const first = names.indexOf('FLASH_DEFL_BEGIN');
  return names.flatMap((_, index) => (index >= first ? [index + 1] : []));
}

async function prepare(board: Board, before: Uint8Array): Promise<void> {
  await board.setFlash(flashOf({ nvs: before }));
  await board.tell('clear');
}

test(
  'the cable is pulled at each command of a write, and the next session completes it',
  { timeout: 300_000 },
  async ({ server, ready }) => {
    const before = wornNvs();
    const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
    const expected = await planned(server, device, before);
    await agree(desk);
    await done(desk);
    const numbers = writes((await board.report()).names);
    expect(numbers.length).toBeGreaterThanOrEqual(8);
    const kinds = FULL ? ['command', 'answer'] : ['command'];
    let completed = 0;
    for (const kind of kinds) {
      for (const number of numbers) {
        await prepare(board, before);
        await board.tell(`cut-at-${kind} ${number}`);
        await openProvision(desk, device);
        const { boots } = await board.report();
        await agree(desk);
        await cutOff(desk);
        expect(await desk.dialog.textContent()).toContain('The write was cut off.');
        if (number === numbers[0]) await expectSealed(desk);
        // It was not reset on the way out either.
        expect((await board.report()).boots, 'the firmware does not find half of a partition').toBe(boots);
        await again(desk);
        // What had been written completely by then is not written again.
        const wait = desk.dialog.getByRole('button', { name: /Write \d+ sectors?/ });
        await wait.or(desk.dialog.getByRole('heading', { name: 'Done' })).waitFor();
        if (await wait.isVisible()) {
          expect(await desk.dialog.textContent()).toContain('A write to this board was cut off');
          completed += 1;
          await wait.click();
        }
        await done(desk);
        expect((await board.nvs()).equals(expected), `${kind} ${number}`).toBe(true);
        expect((await board.report()).violations).toBe(0);
        expect(await stored(desk.page)).not.toContain(board.mac);
        await desk.page.reload();
      }
    }
    expect(completed).toBeGreaterThanOrEqual(6);
    expect((await board.readByEsptool()).equals(expected)).toBe(true);
  },
);

test(
  'a cut in the middle of a sector, after which the firmware has started',
  { timeout: 300_000 },
  async ({ server, plug, sit }) => {
    const device = await newDevice(server);
    const before = wornNvs();
    const board = await plug({ chip: 'esp32', flash: flashOf({ nvs: before }) });
    const desk = await sit(board);
    const expected = await planned(server, device, before);
    for (const written of FULL ? [0, 1, 64, 2000, 4095, 4096, 5000] : [64, 4096]) {
      await prepare(board, before);
      await board.tell(`cut-after-written ${written}`);
      await openProvision(desk, device);
      await agree(desk);
      await cutOff(desk);
      // The firmware repairs what it finds, and writes calibration; and it uses a page that the write does not.
      const boot = 'key,type,encoding,value\nphy,namespace,,\ncal_version,data,u32,8\ncal_data,data,hex2bin,0102\n';
      const files = { 'torn.bin': await board.nvs(), 'boot.csv': boot };
      const started = nvsCommand(files, ['patch', 'torn.bin', 'boot.csv', 'started.bin', '--force'], 'started.bin');
      started[NVS.size - SECTOR] = 0;
      await board.setFlash(started, NVS.offset);
      await again(desk);
      await says(desk, 'The firmware has started since and changed');
      await write(desk);
      await done(desk);
      expect((await board.readByEsptool()).equals(expected), `${written}`).toBe(true);
      await desk.page.reload();
    }
  },
);

test('a write that is cut off is undone', async ({ ready }) => {
  const before = wornNvs();
  const { board, desk } = await ready({ chip: 'esp32s3', flash: flashOf({ nvs: before }) });
  await cutWrite(desk);
  await again(desk);
  await desk.dialog.getByRole('button', { name: 'Undo the write that was cut off' }).click();
  await done(desk);
  expect((await board.readByEsptool()).equals(before)).toBe(true);
  expect(await stored(desk.page)).not.toContain(board.mac);
});

test('after each failure since the cut the backup is offered as a file, and it is said where it is', async ({
  ready,
}) => {
  const before = wornNvs();
  const { board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  const save = desk.dialog.getByRole('button', { name: en.provision.saveBackup });
  await connect(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
  await board.tell('unplug');
  await cutOff(desk);
  await says(desk, en.provision.untouched);
  expect(await save.count()).toBe(0);

  await again(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
  await board.tell('cut-after-written 100');
  await write(desk);
  await cutOff(desk);
  await says(desk, en.provision.backupWhere);
  expect((await download(desk.page, save)).content.equals(before)).toBe(true);
  // This one ends before it writes.
  await again(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
  await board.tell('unplug');
  await cutOff(desk);
  await says(desk, en.provision.untouched);
  await says(desk, en.provision.backupWhere);
  expect((await download(desk.page, save)).content.equals(before)).toBe(true);
});

test('a cut that had erased nothing does not put back what is older than the board', async ({ server, ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  const numbers = await firstWrite(desk);
  await board.tell('clear');
  await board.replug();
  await desk.page.reload();
  // Cut at the very command that would have erased.
  await prepare(board, before);
  await board.tell(`cut-at-command ${numbers}`);
  await openProvision(desk, device);
  await agree(desk);
  await cutOff(desk);
  expect((await board.nvs()).equals(before)).toBe(true);
  // The board is used: its application counts its starts.
  const files = { 'nvs.bin': before, 'boot.csv': 'key,type,encoding,value\napp,namespace,,\nboots,data,u16,514\n' };
  const used = nvsCommand(files, ['patch', 'nvs.bin', 'boot.csv', 'used.bin'], 'used.bin');
  await board.setFlash(used, NVS.offset);
  await again(desk);
  await says(desk, 'what the board holds now is kept');
  await write(desk);
  await done(desk);
  const after = await board.readByEsptool();
  expect(after.equals(await planned(server, device, used))).toBe(true);
  expect(valuesOf(after).get('app/boots')).toBe(514);
});

/** The number of the command that erases first. */
async function firstWrite(desk: Desk): Promise<number> {
  await cutWrite(desk, 0);
  const { names } = await desk.board.report();
  const number = names.indexOf('FLASH_DEFL_BEGIN') + 1;
  await again(desk);
  await write(desk);
  await done(desk);
  return number;
}

test('a partition that was erased since is not written again by itself', async ({ ready }) => {
  const before = wornNvs();
  const { board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  await cutWrite(desk);
  await board.setFlash(new Uint8Array(NVS.size).fill(0xff), NVS.offset);
  await again(desk);
  await desk.dialog
    .getByRole('heading', { name: 'The partition was erased after a write to it was cut off' })
    .waitFor();
  await desk.dialog.getByRole('button', { name: 'Undo the write that was cut off' }).click();
  await done(desk);
  expect((await board.readByEsptool()).equals(before)).toBe(true);
});

test('the tab is closed in the middle of a write, and the next tab completes it', async ({ server, ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }), with: ['--flash-delay'] });
  const expected = await planned(server, device, before);
  await agree(desk);
  await expect.poll(async () => (await board.report()).erased.length).toBeGreaterThan(0);
  const asked: string[] = [];
  desk.page.on('dialog', (dialog) => {
    asked.push(dialog.type());
    void dialog.accept();
  });
  await desk.page.close({ runBeforeUnload: true });
  await expect.poll(() => desk.page.isClosed()).toBe(true);
  expect(asked).toEqual(['beforeunload']);

  const page = await desk.page.context().newPage();
  const next: Desk = {
    ...desk,
    page,
    dialog: page.getByRole('dialog'),
    visit: async (path) => void (await page.goto(path)),
  };
  await openProvision(next, device);
  await connect(next);
  await says(next, 'A write to this board was cut off');
  await write(next);
  await done(next);
  expect((await board.readByEsptool()).equals(expected)).toBe(true);
});

test('nothing was written when the cable is pulled before', async ({ server, ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  // While a person reads what would be written, and in the middle of reading the partition.
  for (const moment of ['planned', 'reading']) {
    if (moment === 'reading') {
      const { names } = await board.report();
      await board.tell('clear');
      await board.tell(`cut-at-command ${names.lastIndexOf('READ_FLASH') + 1}`);
    }
    await connect(desk);
    if (moment === 'planned') {
      await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
      await board.tell('unplug');
    }
    await cutOff(desk);
    expect(await desk.dialog.textContent()).toContain('This attempt has written nothing to the board.');
    expect(await stored(desk.page)).not.toContain(board.mac);
    await board.replug();
    await desk.page.reload();
    await openProvision(desk, device);
  }
  expect(await board.report()).toMatchObject({ erased: [], written: 0 });
  const { items } = await server.call<{ items: unknown[] }>('GET', `/api/devices/${device.id}/flashes`);
  expect(items).toEqual([]);
});

test('a backup that cannot be opened, or whose partition has moved, is only given up on demand', async ({ ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  await cutWrite(desk);
  const torn = await board.nvs();
  await board.replug();

  // Another server of the same address: its key is another one.
  await desk.page.route('**/api/session/backup-key', (route) =>
    route.fulfill({ json: { key: Buffer.alloc(32, 7).toString('base64') } }),
  );
  await desk.page.reload();
  await openProvision(desk, device);
  await connect(desk);
  await desk.dialog.getByRole('heading', { name: 'its backup cannot be opened' }).waitFor();
  expect(await desk.dialog.getByRole('button', { name: 'Delete the backup' }).isDisabled()).toBe(true);
  await desk.dialog.getByRole('button', { name: 'Cancel' }).click();
  await says(desk, 'The board was not reset, because another write to it is not complete');
  await desk.page.unroute('**/api/session/backup-key');

  const rows = ROWS.map((row) => (row.name === 'nvs' ? { ...row, size: 0x5000 } : row));
  await board.setFlash(tableOf(rows), 0x8000);
  await desk.page.reload();
  await openProvision(desk, device);
  await connect(desk);
  await desk.dialog.getByRole('heading', { name: 'the partition has another place now' }).waitFor();
  expect(await desk.dialog.getByRole('button', { name: 'Undo' }).count()).toBe(0);
  await board.setFlash(tableOf(ROWS), 0x8000);
  expect((await board.nvs()).equals(torn)).toBe(true);

  await desk.page.reload();
  await openProvision(desk, device);
  await connect(desk);
  await desk.dialog.getByRole('button', { name: 'Undo the write that was cut off' }).click();
  await done(desk);
  expect((await board.readByEsptool()).equals(before)).toBe(true);
});

test('without a backup nothing is written', async ({ server, ready }) => {
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: wornNvs() }) });
  await desk.page.evaluate(() => {
    // As with a full disk.
    IDBObjectStore.prototype.put = () => {
      throw new DOMException('simulated', 'QuotaExceededError');
    };
  });
  await agree(desk);
  await desk.dialog.getByRole('heading', { name: 'The backup cannot be stored in this browser' }).waitFor();
  expect(await board.report()).toMatchObject({ erased: [], written: 0, boots: 1 });
  const { items } = await server.call<{ items: unknown[] }>('GET', `/api/devices/${device.id}/flashes`);
  expect(items).toMatchObject([{ outcome: 'failed', sectors: 0 }]);
});

test('a server that does not answer at the end changes nothing on the board', async ({ server, ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  desk.watch.expect(/status of 503/);
  await desk.page.route('**/flashes/*', (route) => route.fulfill({ status: 503, body: '' }));
  await agree(desk);
  await done(desk);
  await says(desk, 'The server does not know the outcome');
  expect((await board.readByEsptool()).equals(await planned(server, device, before))).toBe(true);
  expect((await board.report()).boots).toBe(1);
  expect(await stored(desk.page)).not.toContain(board.mac);
});

test('the cable is pulled while the outcome is reported: all is written, and it is said', async ({ server, ready }) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  let reported = false;
  let answer: () => void = () => {};
  const held = new Promise<void>((resolve) => (answer = resolve));
  await desk.page.route('**/flashes/*', async (route) => {
    reported = true;
    await held;
    await route.continue();
  });
  await agree(desk);
  await expect.poll(() => reported).toBe(true);
  await board.tell('unplug');
  // Longer than a page takes to notice it.
  await desk.page.waitForTimeout(1000);
  expect(await desk.dialog.getByRole('heading', { name: 'The connection to the board is gone' }).count()).toBe(0);
  answer();
  await done(desk);
  expect(await stored(desk.page)).not.toContain(board.mac);
  expect((await board.nvs()).equals(await planned(server, device, before))).toBe(true);
  const { items } = await server.call<{ items: unknown[] }>('GET', `/api/devices/${device.id}/flashes`);
  expect(items).toMatchObject([{ outcome: 'written' }]);
});

test('the file of a backup is of the partition that was written, whatever else was cut off', async ({
  server,
  plug,
  sit,
}) => {
  const device = await newDevice(server);
  const before = wornNvs();
  // The other one, which is blank, comes first by its name.
  const rows = [...ROWS, { name: 'a_nvs', type: 'nvs' as const, offset: 0x110000, size: NVS.size }];
  const board = await plug({ flash: flashOf({ nvs: before }, rows) });
  const desk = await sit(board);
  await openProvision(desk, device);
  await board.tell('cut-after-written 100');
  await connect(desk);
  await desk.dialog.getByText('Change what is read').click();
  await desk.dialog.getByLabel('NVS partition (optional)', { exact: true }).selectOption('a_nvs');
  await desk.dialog.getByRole('button', { name: 'Try with these' }).click();
  await says(desk, 'a_nvs,');
  await write(desk);
  await cutOff(desk);
  await board.replug();
  await desk.page.reload();
  await openProvision(desk, device);
  await board.tell('cut-after-written 100');
  await connect(desk);
  await says(desk, 'a_nvs');
  await write(desk);
  await cutOff(desk);
  const saved = await download(desk.page, desk.dialog.getByRole('button', { name: 'Save the partition as a file' }));
  expect(saved.content.equals(before)).toBe(true);
});
