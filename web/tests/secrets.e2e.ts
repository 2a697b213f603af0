// A whole visit with every secret that there is: none of them stays anywhere but where it belongs.
import { en } from '../src/texts/en.ts';
import { expect, settled, test } from './harness/browser.ts';
import { stored } from './harness/desk.ts';
import type { Device } from './harness/server.ts';

const WIFI_PASSWORD = 'wifi-SECRET-of-the-model';
const DEVICE_PASSWORD = 'wifi-SECRET-of-the-device';
const BROKER_PASSWORD = 'broker-SECRET';

test('no secret is left in storage, addresses, the console, cookies or the log', async ({ open, server }) => {
  const { page, visit, watch } = await open({ signedIn: false });
  const addresses: string[] = [];
  page.on('framenavigated', (frame) => addresses.push(frame.url()));

  await visit('/models');
  await page.getByLabel(en.signIn.token).fill(server.token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: en.models.title, level: 1 }).waitFor();
  await page.getByRole('button', { name: en.models.create }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(en.models.name, { exact: true }).fill('Sensor');
  await dialog.getByText(en.overrides.title).click();
  const own = async (name: string, value: string): Promise<void> => {
    const group = dialog.getByRole('group', { name });
    await group.getByRole('combobox').selectOption(en.overrides.choices.own);
    await group.locator('input').fill(value);
  };
  await own(en.overrides.names.wifi_password, WIFI_PASSWORD);
  await own(en.overrides.names.mqtt_url, `mqtts://user:${BROKER_PASSWORD}@mqtt.example.com`);
  await dialog.getByRole('button', { name: en.models.create }).click();
  await page.getByRole('heading', { name: 'Sensor', level: 1 }).waitFor();
  await settled(page);

  await page.getByRole('button', { name: en.models.newDevice }).click();
  await dialog.getByLabel(en.devices.name, { exact: true }).fill('Kitchen');
  await dialog.getByText(en.overrides.title).click();
  await own(en.overrides.names.wifi_password, DEVICE_PASSWORD);
  await dialog.getByRole('button', { name: en.shell.create, exact: true }).click();
  await page.getByRole('heading', { name: 'Kitchen', level: 1 }).waitFor();
  await settled(page);
  expect(await page.content()).not.toContain(DEVICE_PASSWORD);

  const { items } = await server.call<{ items: Device[] }>('GET', '/api/devices');
  const { data } = await server.call<{ data: string }>('GET', `/api/devices/${items[0]!.id}/provisioning`);
  const clientSecret = /[A-Za-z0-9_-]{43}/.exec(Buffer.from(data, 'base64').toString('latin1'))?.[0];
  expect(clientSecret).toBeDefined();

  // All secrets that the device's view can show are shown.
  const shows = page.getByRole('button', { name: /^Show/ });
  for (let left = await shows.count(); left > 0; left -= 1) await shows.first().click();
  await expect.poll(() => page.content()).toContain(DEVICE_PASSWORD);
  for (const path of ['/devices', '/boards', '/settings', '/audit', '/inspector']) await visit(path);
  expect(await page.content()).not.toContain(DEVICE_PASSWORD);

  const kept = await stored(page);
  const cookies = await page.evaluate(() => document.cookie);
  const state = await page.evaluate(() => JSON.stringify(history.state));
  await page.goto('/');
  await settled(page);
  await page.getByRole('button', { name: `${en.shell.account}: administrator` }).click();
  await page.getByRole('button', { name: en.shell.signOut }).click();
  await page.getByLabel(en.signIn.token).waitFor();
  const afterwards = await stored(page);
  expect(await page.context().cookies()).toEqual([]);

  const places = {
    storage: kept + afterwards,
    cookies,
    state,
    addresses: [...addresses, ...watch.requests].join('\n'),
    console: watch.console.join('\n'),
    log: server.logged(),
  };
  for (const [place, text] of Object.entries(places)) {
    for (const secret of [server.token, WIFI_PASSWORD, DEVICE_PASSWORD, BROKER_PASSWORD, clientSecret!]) {
      expect(text.includes(secret), `${place} holds ${secret.slice(0, 12)}…`).toBe(false);
      expect(text.includes(encodeURIComponent(secret)), `${place} holds ${secret.slice(0, 12)}…`).toBe(false);
    }
  }
  // The places were looked at: what belongs there is there.
  expect(places.addresses).toContain('/api/devices');
  expect(cookies).toBe('');
});
