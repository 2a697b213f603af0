// *Provision* over the real server, Chromium and a simulated board whose flash the real esptool reads back.
import { NVS, SECTOR } from './harness/board.ts';
import {
  connect,
  done,
  expect,
  newDevice,
  openProvision,
  planned,
  provision,
  says,
  stored,
  test,
  write,
} from './harness/desk.ts';
import { flashOf, usedNvs, valuesOf, wornNvs } from './harness/flash.ts';

const blank = new Uint8Array(NVS.size).fill(0xff);

test.override('settings', {
  FLEETMINT_PROVISIONING__WIFI_SSID: 'workshop',
  FLEETMINT_PROVISIONING__WIFI_PASSWORD: 'SECRET-of-the-workshop',
});

test('the first board of a device', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({}) });
  const desk = await sit(board);
  const expected = await planned(server, device, blank);
  await openProvision(desk, device);
  await connect(desk);
  await says(desk, 'prov/client_secret');
  const text = (await desk.dialog.textContent())!;
  expect(text).toContain('esp32c3');
  expect(text).toContain('nvs, 0x6000 bytes at offset 0x9000, not encrypted');
  expect(text).toContain(board.mac);
  expect(text).not.toContain('SECRET');
  expect((await board.report()).erased).toEqual([]);
  await write(desk);
  await done(desk);

  expect((await board.readByEsptool()).equals(expected)).toBe(true);
  const report = await board.report();
  expect(report).toMatchObject({ erased: [9], written: SECTOR, violations: 0, boots: 1 });
  const known = await server.call<{ board: { mac: string; chip: string } }>('GET', `/api/devices/${device.id}`);
  expect(known.board).toMatchObject({ mac: board.mac, chip: 'esp32c3' });
  const { items } = await server.call<{ items: unknown[] }>('GET', `/api/devices/${device.id}/flashes`);
  expect(items).toMatchObject([{ outcome: 'written', sectors: 1, bytes: SECTOR, tool: 'fleetmint page' }]);
  // The backup is gone, and no secret is anywhere.
  const kept = await stored(desk.page);
  expect(kept).not.toContain(board.mac);
  expect(desk.watch.console.join('\n')).not.toContain('SECRET');
});

test('a board in use keeps everything else, and only what differs is written', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const before = wornNvs();
  const board = await plug({ flash: flashOf({ nvs: before }) });
  const desk = await sit(board);
  const expected = await planned(server, device, before);
  await provision(desk, device);
  const after = await board.readByEsptool();
  expect(after.equals(expected)).toBe(true);
  const values = valuesOf(after);
  expect(values.get('nvs.net80211/sta.apsw')).toBe('SECRET-of-the-wifi');
  expect(values.get('app/boots')).toBe(513);
  expect(values.get('prov/device_key')).toBe(device.key);
  const changed = Array.from({ length: 6 }, (_, sector) => sector).filter(
    (sector) =>
      !before
        .subarray(sector * SECTOR, (sector + 1) * SECTOR)
        .equals(expected.subarray(sector * SECTOR, (sector + 1) * SECTOR)),
  );
  expect(changed.length).toBeGreaterThanOrEqual(2);
  const report = await board.report();
  expect(report).toMatchObject({ erased: changed.map((sector) => 9 + sector), violations: 0 });

  // Once more: nothing is written, and nothing is asked.
  await board.tell('clear');
  await desk.dialog.locator('.actions').getByRole('button', { name: 'Close' }).click();
  await openProvision(desk, device);
  await connect(desk);
  await done(desk);
  expect(await desk.dialog.textContent()).toContain('nothing was written');
  expect(await board.report()).toMatchObject({ erased: [], written: 0 });
});

test('a device whose settings changed: the difference alone', async ({ server, plug, sit }) => {
  const device = await newDevice(server);
  const board = await plug({ flash: flashOf({ nvs: usedNvs() }) });
  const desk = await sit(board);
  await provision(desk, device);
  await server.call('PATCH', `/api/devices/${device.id}`, { provisioning: { wifi_ssid: 'attic' } });
  const before = await board.nvs();
  const expected = await planned(server, device, before);
  await provision(desk, device);
  expect((await board.readByEsptool()).equals(expected)).toBe(true);
  expect(valuesOf(expected).get('prov/wifi_ssid')).toBe('attic');
});
