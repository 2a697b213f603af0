// An empty service leads to its first board.
import { violations } from './harness/axe.ts';
import { expect, picture, settled, test } from './harness/browser.ts';
import { press, type } from './harness/keyboard.ts';
import { Server, type Device, type DeviceModel } from './harness/server.ts';

test('an empty service leads from the settings to a model, a device and its board, by keyboard', async ({ open }) => {
  const empty = await Server.start({ FLEETMINT_PROVISIONING__WIFI_SSID: 'Plant 4' });
  try {
    const { page, visit } = await open({ server: empty });
    await visit('/devices');
    await page.getByText('There are no devices yet.').waitFor();
    expect(await violations(page)).toEqual([]);
    await press(page, 'link', 'First steps');
    await page.getByRole('heading', { name: 'First steps', level: 1 }).waitFor();
    await settled(page);
    // The test server listens on loopback, which no board can reach.
    await page.getByText('a device that uses it reaches nothing but itself').first().waitFor();
    expect(await violations(page)).toEqual([]);
    await picture(page, 'first-steps');

    const step = (name: string) => page.getByRole('listitem').filter({ has: page.getByRole('heading', { name }) });
    expect(await step('Create the first device').getByRole('textbox').count()).toBe(0);
    await type(page, 'Name', 'Temperature sensor');
    // A code is suggested until one is typed.
    expect(await step('Create a model').getByLabel('Code').inputValue()).toBe('temperature_sensor');
    await type(page, 'Code', 'tempsensor');
    await page.keyboard.press('Enter');
    await page.getByText('The model Temperature sensor is there.').waitFor();
    const models = await empty.call<{ items: DeviceModel[] }>('GET', '/api/device-models');
    expect(models.items.map(({ code, name }) => [code, name])).toEqual([['tempsensor', 'Temperature sensor']]);

    await type(page, 'Name', 'Kitchen');
    await page.keyboard.press('Enter');
    await page.getByText(/Kitchen has the identity iotdevice-tempsensor-/).waitFor();
    expect(await violations(page)).toEqual([]);

    // The steps are still here after a reload, and the last one opens the dialog for this device.
    await visit('/');
    await page.getByText(/Kitchen has the identity/).waitFor();
    await press(page, 'button', 'Provision the board');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');

    const [device] = (await empty.call<{ items: Device[] }>('GET', '/api/devices')).items;
    await empty.flash(device!, { mac: '60:55:f9:aa:00:01' });
    await visit('/');
    await page.getByRole('heading', { name: 'Devices', level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/devices');
  } finally {
    await empty.stop();
  }
});

test('a code that is taken is said at its field', async ({ open }) => {
  const empty = await Server.start();
  try {
    const { page, visit } = await open({ server: empty });
    await visit('/');
    await empty.createModel({ code: 'taken', name: 'Taken' });
    await page.getByLabel('Name').fill('Another');
    await page.getByLabel('Code').fill('taken');
    await page.getByRole('button', { name: 'Create the model' }).click();
    await expect.poll(() => page.getByLabel('Code').getAttribute('aria-invalid')).toBe('true');
    expect(await violations(page)).toEqual([]);
  } finally {
    await empty.stop();
  }
});
