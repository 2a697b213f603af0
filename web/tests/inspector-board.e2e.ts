// The inspector and a board on the cable: read, changed, written back, and read by the real esptool.
import type { Page } from 'playwright-core';
import { NVS } from './harness/board.ts';
import { signIn } from './harness/browser.ts';
import {
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
import { flashOf, nvsCommand, usedNvs, valuesOf, wornNvs } from './harness/flash.ts';
import { everything, row } from './harness/inspect.ts';

const CSV = 'key,type,encoding,value\napp,namespace,,\nboots,data,u16,7\n';

async function read(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Read a board' }).click();
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor({ timeout: 30_000 });
}

/** Sets `app/boots` to 7 in the list of changes, and agrees to the plan. */
async function writeBoots(page: Page): Promise<void> {
  await row(page, 'app/boots').getByRole('button', { name: 'Edit app/boots' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Value').fill('7');
  await dialog.getByRole('button', { name: 'Add to the list of changes' }).click();
  await page.getByRole('button', { name: 'Write to the board' }).click();
  await dialog.getByRole('button', { name: /^Write/ }).click({ timeout: 30_000 });
}

/** Whose keys have sealed what is stored in the browser. */
function sealedBy(kept: string): string[] {
  return Array.from(kept.matchAll(/^sealedBy: (\w+)$/gm), ([, whose]) => whose!);
}

function patched(before: Buffer): Buffer {
  const files = { 'nvs.bin': before, 'changes.csv': CSV };
  return nvsCommand(files, ['patch', 'nvs.bin', 'changes.csv', 'out.bin'], 'out.bin');
}

test('a board is read, and only what is changed is written back', async ({ plug, sit }) => {
  const before = usedNvs('vibxdl4f');
  const board = await plug({ flash: flashOf({ nvs: before }) });
  const { page, visit } = await sit(board, { signedIn: false });
  await visit('/inspector');
  await read(page);
  await expect.poll(() => page.getByText(board.mac).count()).toBeGreaterThan(0);
  expect(await everything(page)).not.toContain('SECRET');
  expect(await board.report()).toMatchObject({ erased: [], written: 0 });

  await writeBoots(page);
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Close' }).last().click({ timeout: 30_000 });

  const after = await board.readByEsptool();
  expect(after.equals(patched(before))).toBe(true);
  expect(valuesOf(after).get('nvs.net80211/sta.apsw')).toBe('SECRET-of-the-wifi');
  expect((await board.report()).erased).toEqual([NVS.offset / 4096]);
  // The list is done, and what is shown is what the board has now.
  await expect.poll(() => page.getByRole('region', { name: 'Changes' }).count()).toBe(0);
  await row(page, 'app/boots').getByRole('button', { name: 'Reveal' }).click();
  await expect.poll(() => row(page, 'app/boots').locator('pre').textContent()).toBe('7');
});

test('a write that is cut off is finished the next time', async ({ plug, sit }) => {
  const before = usedNvs('vibxdl4f');
  const board = await plug({ flash: flashOf({ nvs: before }) });
  const { page, visit } = await sit(board, { signedIn: false });
  await visit('/inspector');
  await read(page);
  const dialog = page.getByRole('dialog');
  // In the middle of the one sector that is written.
  await board.tell('cut-after-written 100');
  await writeBoots(page);
  await dialog.getByRole('heading', { name: 'The connection to the board is gone' }).waitFor({ timeout: 30_000 });
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('button', { name: 'Read a board' }).waitFor();

  await board.replug();
  await read(page);
  await page.getByRole('alert').filter({ hasText: 'A write to this partition was cut off' }).waitFor();
  await page.getByRole('button', { name: 'Finish the write' }).click();
  await dialog.getByRole('button', { name: /^Write/ }).click({ timeout: 30_000 });
  await dialog.getByRole('heading', { name: 'Done' }).waitFor({ timeout: 30_000 });
  expect((await board.readByEsptool()).equals(patched(before))).toBe(true);
});

test('a write of Provision that was cut off is finished in the inspector, by whoever is signed in', async ({
  server,
  ready,
}) => {
  const before = wornNvs();
  const { device, board, desk } = await ready({ flash: flashOf({ nvs: before }) });
  const { page, dialog, visit } = desk;
  const expected = await planned(server, device, before);
  await cutWrite(desk);
  const torn = await board.nvs();
  expect(sealedBy(await stored(page))).toEqual(['server']);
  await board.replug();

  await page.context().clearCookies();
  await visit('/inspector');
  await read(page);
  await page.getByRole('button', { name: 'Finish the write' }).click();
  await dialog.getByRole('heading', { name: 'its backup cannot be opened' }).waitFor({ timeout: 30_000 });
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await says(desk, 'The board was not reset, because another write to it is not complete');
  expect((await board.nvs()).equals(torn)).toBe(true);

  // The key is the server's, and not that of a session.
  await signIn(page.context(), server);
  await visit('/inspector');
  await read(page);
  await page.getByRole('button', { name: 'Finish the write' }).click();
  await dialog.getByRole('button', { name: /^Write/ }).click({ timeout: 30_000 });
  await done(desk);
  expect((await board.readByEsptool()).equals(expected)).toBe(true);
  expect(await stored(page)).not.toContain(board.mac);
});

test('a write of the inspector that was cut off is offered by Provision in the next session', async ({
  server,
  plug,
  sit,
}) => {
  const device = await newDevice(server);
  const before = usedNvs();
  const board = await plug({ flash: flashOf({ nvs: before }) });
  const desk = await sit(board);
  const { page, visit } = desk;
  await visit('/inspector');
  await read(page);
  await board.tell('cut-after-written 100');
  await writeBoots(page);
  await cutOff(desk);
  const kept = await stored(page);
  expect(sealedBy(kept)).toEqual(['server']);
  expect(kept).not.toContain('SECRET');
  await board.replug();

  await signIn(page.context(), server);
  await openProvision(desk, device);
  await connect(desk);
  await says(desk, 'A write to this board was cut off');
  await write(desk);
  await done(desk);
  const after = await board.readByEsptool();
  expect(after.equals(await planned(server, device, patched(before)))).toBe(true);
  expect(valuesOf(after).get('app/boots')).toBe(7);
  expect(await stored(page)).not.toContain(board.mac);
});

test('why a board cannot be read is said in words, and it can be read again', async ({ plug, sit }) => {
  const board = await plug({ flash: new Uint8Array(0x20000).fill(0xff) });
  const { page, visit } = await sit(board, { signedIn: false });
  await visit('/inspector');
  await page.getByRole('button', { name: 'Read a board' }).click();
  await page.getByRole('alert').waitFor({ timeout: 30_000 });
  expect(await page.getByRole('alert').textContent()).toMatch(/table|erased/i);
  await board.setFlash(flashOf({ nvs: usedNvs() }));
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor({ timeout: 30_000 });
});

test('no port is chosen, or there are none to choose', async ({ open, plug, sit }) => {
  const board = await plug({ flash: flashOf({}) });
  board.fails = { choose: 'NotFoundError' };
  const { page, visit } = await sit(board, { signedIn: false });
  await visit('/inspector');
  await page.getByRole('button', { name: 'Read a board' }).click();
  await page.getByRole('alert').waitFor();

  const without = await open({ signedIn: false });
  await without.page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'serial'));
  await without.visit('/inspector');
  await expect.poll(() => without.page.getByText('This browser has no Web Serial').count()).toBe(1);
  expect(await without.page.getByRole('button', { name: 'Read a board' }).count()).toBe(0);
});
