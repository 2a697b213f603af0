// The dialog itself: new devices, other devices, other tabs, the keyboard, and no serial port at all.
import { readFile } from 'node:fs/promises';
import { en } from '../src/texts/en.ts';
import { violations } from './harness/axe.ts';
import { NVS } from './harness/board.ts';
import {
  connect,
  type Desk,
  done,
  expect,
  newDevice,
  openProvision,
  planned,
  provision,
  says,
  test,
  write,
} from './harness/desk.ts';
import { flashOf, usedNvs, valuesOf, wornNvs } from './harness/flash.ts';
import { press, tabTo, type } from './harness/keyboard.ts';
import type { Device, Server } from './harness/server.ts';

async function boardOf(server: Server, device: Device): Promise<string | undefined> {
  const { board } = await server.call<{ board: { mac: string } | null }>('GET', `/api/devices/${device.id}`);
  return board?.mac;
}

test('a new device for the board on the cable', async ({ server, plug, sit }) => {
  const { device_model_id: model } = await newDevice(server, 'not this one');
  const board = await plug({ flash: flashOf({ nvs: usedNvs() }) });
  const desk = await sit(board);
  await desk.visit('/devices');
  await desk.page.getByRole('button', { name: /board/i }).first().click();
  await connect(desk);
  await says(desk, 'Choose a model.');
  expect(await violations(desk.page)).toEqual([]);
  await desk.dialog.getByLabel('Model').selectOption(String(model));
  await desk.dialog.getByLabel('Name of the device').fill('Garage');
  await connect(desk);
  await write(desk);
  await done(desk);
  const { items } = await server.call<{ items: Device[] }>('GET', '/api/devices?q=Garage');
  expect(items).toHaveLength(1);
  expect(await boardOf(server, items[0]!)).toBe(board.mac);
  expect(valuesOf(await board.readByEsptool()).get('prov/device_key')).toBe(items[0]!.key);
  await desk.dialog.getByRole('link', { name: 'Show the device' }).click();
  await desk.page.waitForURL(`**/devices/${items[0]!.id}`);
});

test('who gives a board an address that it cannot reach is told, before the write and at the end', async ({
  server,
  plug,
  sit,
}) => {
  const { 'loopback-url': loopback, 'plain-text-url': plain } = en.settings.findings;
  const { device_model_id: model } = await newDevice(server, 'not this one');
  const desk = await sit(await plug({ flash: flashOf({}) }));
  const told = (): Promise<number> => desk.dialog.getByText(loopback).count();
  // A new device for the board.
  await desk.visit('/devices');
  await desk.page.getByRole('button', { name: /board/i }).first().click();
  await desk.dialog.getByLabel('Model').selectOption(String(model));
  await desk.dialog.getByLabel('Name of the device').fill('Out of reach');
  await connect(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
  expect(await told()).toBe(2);
  expect(await violations(desk.page)).toEqual([]);
  const text = await desk.dialog.textContent();
  for (const part of ['base_url', 'token_url', 'server.public_url', '--listen']) expect(text).toContain(part);
  await write(desk);
  await done(desk);
  expect(await told()).toBe(2);

  // Addresses of its own: the settings do not help then.
  const provisioning = { base_url: 'http://[::1]:8080', token_url: 'http://192.0.2.1/token', mqtt_url: 'mqtt://127.1' };
  const own = await server.createDevice({ device_model_id: model, name: 'Its own', provisioning });
  const next = await sit(await plug({ flash: flashOf({}) }));
  await openProvision(next, own);
  await connect(next);
  await next.dialog.getByRole('button', { name: /Write/ }).waitFor();
  expect(await next.dialog.getByText(loopback).count()).toBe(2);
  expect(await next.dialog.getByText(plain).count()).toBe(1);
  expect(await next.dialog.textContent()).toContain(en.settings.loopbackOwn);
  expect(await next.dialog.textContent()).not.toContain('server.public_url');
  await write(next);
  await done(next);
  expect(await next.dialog.getByText(loopback).count()).toBe(2);
  expect(await next.dialog.getByText(plain).count()).toBe(0);

  // Every address can be reached.
  const urls = { base_url: 'https://api.example', token_url: 'https://id.example/token' };
  const fine = await server.createDevice({ device_model_id: model, name: 'In reach', provisioning: urls });
  const last = await sit(await plug({ flash: flashOf({}) }));
  await openProvision(last, fine);
  await connect(last);
  await last.dialog.getByRole('button', { name: /Write/ }).waitFor();
  for (const finding of Object.values(en.settings.findings)) {
    expect(await last.dialog.getByText(finding).count()).toBe(0);
  }
});

test('without a serial port it is told beside the commands', async ({ server, open }) => {
  const device = await newDevice(server);
  const { page, visit } = await open();
  await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'serial'));
  await visit(`/devices/${device.id}`);
  await page.getByRole('button', { name: 'Provision', exact: true }).first().click();
  await expect.poll(() => page.getByRole('dialog').getByText(en.settings.findings['loopback-url']).count()).toBe(2);
});

test('what was cancelled while it was read is not reported as unchanged', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const desk = await sit(await plug({ flash: flashOf({}) }));
  await provision(desk, device);
  const flashes = async (): Promise<number> =>
    (await server.call<{ items: unknown[] }>('GET', `/api/devices/${device.id}/flashes`)).items.length;
  expect(await flashes()).toBe(1);

  // All is read, and the server takes its time.
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  await desk.page.route('**/provisioning?*', async (route) => {
    await held;
    await route.continue();
  });
  await openProvision(desk, device);
  const asked = desk.page.waitForRequest('**/provisioning?*');
  await connect(desk);
  await asked;
  await desk.dialog.getByRole('button', { name: 'Cancel' }).click();
  await desk.dialog.getByRole('heading', { name: 'Cancelled: nothing was written.' }).waitFor();
  // What was asked for the plan comes late; nothing follows it.
  const last = desk.page.waitForResponse(`**/api/devices/${device.id}/settings`);
  release();
  await (await last).finished();
  for (let round = 0; round < 10; round += 1) await desk.page.evaluate(async () => (await fetch('/livez')).text());
  expect(await flashes()).toBe(1);
  expect(await desk.dialog.getByRole('heading', { name: 'Cancelled: nothing was written.' }).count()).toBe(1);
});

test('no device is created for a board that is not fit, or carries one already', async ({ server, plug, sit }) => {
  const first = await newDevice(server, 'First');
  const board = await plug({ flash: flashOf({}) });
  const desk = await sit(board);
  await provision(desk, first);
  await desk.visit('/devices');
  await desk.page.getByRole('button', { name: /board/i }).first().click();
  await desk.dialog.getByLabel('Model').selectOption(String(first.device_model_id));
  await desk.dialog.getByLabel('Name of the device').fill('Second');
  await connect(desk);
  await desk.dialog.getByRole('heading', { name: 'This board already carries a device' }).waitFor();
  expect(await desk.dialog.textContent()).toContain(first.key);
  await desk.dialog.getByRole('button', { name: 'Cancel' }).click();
  await desk.dialog.getByRole('heading', { name: 'Cancelled: nothing was written.' }).waitFor();
  const search = async (): Promise<number> =>
    (await server.call<{ items: Device[] }>('GET', '/api/devices?q=Second')).items.length;
  expect(await search()).toBe(0);

  await board.setFlash(new Uint8Array(0x9000).fill(0xff));
  await desk.dialog.getByRole('button', { name: 'Try again' }).click();
  await desk.dialog.getByRole('heading', { name: 'There is no firmware on this board' }).waitFor();
  expect(await search()).toBe(0);
});

test('a board that carries another device, and a device that is on another board', async ({ server, plug, sit }) => {
  const [first, second] = [await newDevice(server, 'First'), await newDevice(server, 'Second')];
  const [one, other] = [await plug({ flash: flashOf({}) }), await plug({ flash: flashOf({}) })];
  const desk = await sit(one);
  await provision(desk, first);
  await openProvision(desk, second);
  await connect(desk);
  await says(desk, `The server has the device ${first.key} (First) on this board.`);
  await says(desk, `The partition holds the identity of device ${first.key}, which is replaced.`);
  expect(await violations(desk.page)).toEqual([]);
  await desk.dialog.getByRole('button', { name: 'Replace board: Write' }).click();
  await done(desk);
  expect(await boardOf(server, second)).toBe(one.mac);
  expect(await boardOf(server, first)).toBeUndefined();

  const next = await sit(other);
  await openProvision(next, second);
  await connect(next);
  await says(next, `The server has this device on the board ${one.mac}.`);
  await next.dialog.getByRole('button', { name: 'Replace board: Write' }).click();
  await done(next);
  expect(await boardOf(server, second)).toBe(other.mac);
});

test('another board is flashed with this device while a person reads', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({}) });
  const desk = await sit(board);
  await openProvision(desk, device);
  await connect(desk);
  await desk.dialog.getByRole('button', { name: 'Write 1 sector', exact: true }).waitFor();
  await server.flash(device, { mac: '24:0a:c4:00:00:99' });
  await write(desk);
  await says(desk, 'The server has this device on the board 24:0a:c4:00:00:99.');
  expect((await board.report()).erased).toEqual([]);
  await desk.dialog.getByRole('button', { name: 'Replace board: Write' }).click();
  await done(desk);
  expect(await boardOf(server, device)).toBe(board.mac);
});

test('two tabs do not write one board', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({}) });
  const desk = await sit(board);
  await openProvision(desk, device);
  await connect(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();

  const page = await desk.page.context().newPage();
  const second: Desk = {
    ...desk,
    page,
    dialog: page.getByRole('dialog'),
    visit: async (path) => void (await page.goto(path)),
  };
  await openProvision(second, device);
  await connect(second);
  await second.dialog.getByRole('heading', { name: 'The port cannot be opened' }).waitFor();

  // Over two ports, as a board with a bridge and the chip's own USB has them.
  await desk.dialog.getByRole('button', { name: 'Cancel' }).click();
  await desk.dialog.getByRole('heading', { name: 'Cancelled: nothing was written.' }).waitFor();
  await desk.page.evaluate((mac) => {
    void navigator.locks.request(`fleetmint-board ${mac}`, () => new Promise(() => undefined));
  }, board.mac);
  await second.dialog.getByRole('button', { name: 'Try again' }).click();
  await second.dialog.getByRole('heading', { name: 'Another tab is working on this board' }).waitFor();
  expect(await board.report()).toMatchObject({ erased: [], written: 0 });
});

test('by keyboard alone, from the sign-in to a provisioned board', async ({ server, plug, sit }) => {
  const device = await newDevice(server, 'By keyboard');
  const board = await plug({ flash: flashOf({ nvs: usedNvs() }) });
  const desk = await sit(board, { signedIn: false });
  const { page, dialog } = desk;
  await desk.visit('/sign-in');
  await type(page, 'Administrator token', server.token);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => !url.pathname.includes('sign-in'));
  await press(page, 'link', 'Devices');
  await type(page, 'Search devices', 'By keyboard', 'searchbox');
  await press(page, 'link', 'By keyboard');
  await page.waitForURL(`**/devices/${device.id}`);
  await press(page, 'button', 'Provision');
  await press(page, 'button', 'Choose port and connect');
  await press(page, 'button', /Write \d+ sectors?/);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, usedNvs()))).toBe(true);
  await tabTo(page, 'button', 'Close');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toContain('Provision');
});

test('each state without violations, announced, and its progress never goes back', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({ nvs: wornNvs() }), with: ['--baud-delay', '--flash-delay'] });
  const desk = await sit(board);
  await openProvision(desk, device);
  await desk.page.evaluate(() => {
    const seen = globalThis as unknown as { spoken: string[]; bars: [string, number][] };
    seen.spoken = [];
    seen.bars = [];
    const known: Element[] = [];
    new MutationObserver(() => {
      const spoken = document.querySelector('dialog [role="status"]')?.textContent ?? '';
      if (spoken !== '' && seen.spoken.at(-1) !== spoken) seen.spoken.push(spoken);
      const bar = document.querySelector<HTMLProgressElement>('dialog progress');
      if (!bar?.hasAttribute('value')) return;
      if (!known.includes(bar)) known.push(bar);
      seen.bars.push([`${known.indexOf(bar)}: ${bar.parentElement?.textContent?.trim().split(/\W/)[0]}`, bar.value]);
    }).observe(document.querySelector('dialog')!, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
  });
  expect(await violations(desk.page)).toEqual([]);
  await connect(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor({ timeout: 20_000 });
  expect(await violations(desk.page)).toEqual([]);
  await write(desk);
  await done(desk);
  expect(await violations(desk.page)).toEqual([]);
  const { spoken, bars } = await desk.page.evaluate(() => {
    const seen = globalThis as unknown as { spoken: string[]; bars: [string, number][] };
    return { spoken: seen.spoken, bars: seen.bars };
  });
  const order = ['Connecting', 'Reading', 'of 6 sectors', 'Saving', 'Writing', 'Resetting', 'is on the board'];
  const places = order.map((words) => spoken.findIndex((text) => text.includes(words)));
  expect(places, spoken.join('\n')).toEqual([...places].sort((a, b) => a - b));
  expect(places).not.toContain(-1);
  const sharesOf = (pattern: RegExp): number[] =>
    bars.filter(([label]) => pattern.test(label)).map(([, share]) => share);
  expect(Array.from(new Set(bars.map(([label]) => label)))).toEqual(['0: Reading', '1: Writing', '1: Verifying']);
  for (const bar of [/^0/, /^1/]) {
    expect(sharesOf(bar)).toEqual(sharesOf(bar).toSorted((one, other) => one - other));
    expect([sharesOf(bar)[0], sharesOf(bar).at(-1)]).toEqual([0, 1]);
  }
  expect(sharesOf(/Reading/).length).toBeGreaterThan(3);
});

test('cancelling while the board is read leaves it as it was', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({ nvs: usedNvs() }), with: ['--baud-delay'] });
  const desk = await sit(board);
  await openProvision(desk, device);
  for (const moment of ['Connecting to the board…', 'Reading the partition…']) {
    if (moment.startsWith('Conn')) await connect(desk);
    else await desk.dialog.getByRole('button', { name: 'Try again' }).click();
    await desk.dialog.locator('.progress').getByText(moment).waitFor();
    await desk.dialog.getByRole('button', { name: 'Cancel' }).click();
    await desk.dialog.getByRole('heading', { name: 'Cancelled: nothing was written.' }).waitFor();
  }
  await desk.dialog.getByRole('button', { name: 'Try again' }).click();
  await write(desk);
  await done(desk);
  expect((await board.readByEsptool()).equals(await planned(server, device, usedNvs()))).toBe(true);
});

test('no port is chosen, or the browser may not offer one', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({}) });
  const desk = await sit(board);
  await openProvision(desk, device);
  board.fails = { choose: 'NotFoundError' };
  await connect(desk);
  await says(desk, 'No port was chosen.');
  await desk.dialog.getByText('How to choose the port').click();
  await desk.dialog.getByLabel('Show all ports').check();
  board.fails = {};
  await connect(desk);
  await desk.dialog.getByRole('button', { name: /Write/ }).waitFor();
  expect(board.chosen).toEqual([{}]);
  await desk.dialog.getByRole('button', { name: 'Cancel' }).click();

  board.fails = { choose: 'SecurityError' };
  await desk.page.reload();
  await openProvision(desk, device);
  await connect(desk);
  await says(desk, 'Serial ports are blocked');
  expect(await desk.dialog.textContent()).toContain(`fleetmint flash --device ${device.key}`);
});

test('a browser without serial ports: the file and the commands', async ({ server, open }) => {
  const device = await newDevice(server);
  const { page, visit } = await open();
  await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'serial'));
  await visit(`/devices/${device.id}`);
  await page.getByRole('button', { name: 'Provision', exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('This browser cannot reach serial ports').waitFor();
  expect(await violations(page)).toEqual([]);
  const text = (await dialog.textContent())!;
  for (const command of [
    `fleetmint login ${server.url}`,
    `fleetmint flash --device ${device.key}`,
    `esptool write-flash 0x9000 fleetmint-${device.key}.bin`,
    `fleetmint flash --image fleetmint-${device.key}.bin`,
  ]) {
    expect(text).toContain(command);
  }
  await dialog.getByLabel('Size of the partition').fill('0x4000');
  const saved = page.waitForEvent('download');
  await dialog.getByRole('button', { name: 'Save the image' }).click();
  const download = await saved;
  expect(download.suggestedFilename()).toBe(`fleetmint-${device.key}.bin`);
  const image = await readFile(await download.path());
  expect(image).toHaveLength(0x4000);
  expect(valuesOf(image).get('prov/device_key')).toBe(device.key);
  expect(NVS.size).toBeGreaterThan(image.length);
});

test('plain HTTP: where the page has to be opened instead', async ({ server, open }) => {
  const device = await newDevice(server);
  const elsewhere = Object.create(server, { url: { value: server.url.replace('127.0.0.1', '0.0.0.0') } }) as Server;
  const { page, visit, watch } = await open({ server: elsewhere });
  // Chromium's own remark about a header that only counts over HTTPS.
  watch.expect(/Cross-Origin-Opener-Policy/);
  await visit(`/devices/${device.id}`);
  expect(await page.evaluate(() => isSecureContext)).toBe(false);
  await page.getByRole('button', { name: 'Provision', exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('This page needs a secure connection for a board').waitFor();
  const local = `${server.url}/devices/${device.id}`;
  expect(await dialog.getByRole('link', { name: local }).getAttribute('href')).toBe(local);
  const saved = page.waitForEvent('download');
  await dialog.getByRole('button', { name: 'Save the image' }).click();
  expect(valuesOf(await readFile(await (await saved).path())).get('prov/device_key')).toBe(device.key);
});

test('in German', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({}) });
  const desk = await sit(board, { locale: 'de-DE', viewport: { width: 320, height: 640 } });
  await desk.visit(`/devices/${device.id}`);
  await desk.page
    .getByRole('button', { name: /^Provisionieren/ })
    .first()
    .click();
  await desk.dialog.getByRole('button', { name: 'Port wählen und verbinden' }).click();
  await desk.dialog.getByRole('button', { name: '1 Sektor schreiben' }).click();
  await desk.dialog.getByRole('heading', { name: 'Fertig' }).waitFor();
  const width = await desk.page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(320);
});
