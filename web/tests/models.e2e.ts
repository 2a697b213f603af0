// Models: the list, a new one, a change, what its devices get, and when it can be deleted.
import { en } from '../src/texts/en.ts';
import { expect, settled, test } from './harness/browser.ts';
import { READY } from './harness/fleet.ts';
import type { DeviceModel } from './harness/server.ts';

test.override({ settings: READY });

test('a new model: its code follows the name until one types another', async ({ open, server }) => {
  const { page, visit } = await open();
  await visit('/models');
  await page.getByText(en.models.none).waitFor();
  await page.getByRole('button', { name: en.models.create }).first().click();
  const dialog = page.getByRole('dialog', { name: en.models.createTitle });
  const code = dialog.getByLabel(en.models.code, { exact: true });
  await dialog.getByLabel(en.models.name, { exact: true }).fill('Türöffner 2');
  expect(await code.inputValue()).toBe('tueroeffner_2');
  await code.fill('Door Opener');
  await dialog.getByLabel(en.models.name, { exact: true }).fill('Door opener');
  expect(await code.inputValue()).toBe('Door Opener');

  // What the server refuses is said at the field.
  await dialog.getByRole('button', { name: en.models.create }).click();
  const refusal = dialog.locator('.field.invalid .error');
  await refusal.waitFor();
  expect(await code.getAttribute('aria-describedby')).toContain(await refusal.getAttribute('id'));

  await code.fill('door_opener');
  await dialog.getByText(en.overrides.title).click();
  const network = dialog.getByRole('group', { name: en.overrides.names.wifi_ssid });
  await network.getByRole('combobox').selectOption(en.overrides.choices.own);
  await network.getByRole('textbox').fill('Plant 9');
  const broker = dialog.getByRole('group', { name: en.overrides.names.mqtt_url });
  await broker.getByRole('combobox').selectOption(en.overrides.choices.empty);
  await dialog.getByRole('button', { name: en.models.create }).click();

  await page.getByRole('heading', { name: 'Door opener', level: 1 }).waitFor();
  expect(new URL(page.url()).pathname).toMatch(/^\/models\/\d+$/);
  const id = Number(new URL(page.url()).pathname.split('/').at(-1));
  const model = await server.call<DeviceModel>('GET', `/api/device-models/${id}`);
  expect(model).toMatchObject({ name: 'Door opener', code: 'door_opener' });
  expect(model.provisioning).toMatchObject({ wifi_ssid: 'Plant 9', mqtt_url: '', base_url: null });
  expect(model.provisioning.wifi_password_state).toBe('unset');

  // What its devices get, with where each value comes from.
  await settled(page);
  const row = (name: string) => page.locator('.value').filter({ hasText: name });
  expect(await row(en.overrides.names.wifi_ssid).textContent()).toContain(en.settings.sources.model);
  expect(await row(en.overrides.names.base_url).textContent()).toContain(en.settings.sources.settings);
  expect(await row(en.overrides.names.mqtt_url).textContent()).toContain(en.settings.leftOut);
  expect(await row(en.overrides.names.wifi_password).textContent()).toContain('••••');
  expect(await page.content()).not.toContain('a password of the plant');
});

test('a code that is taken is said', async ({ open, server }) => {
  await server.createModel({ code: 'taken', name: 'The first' });
  const { page, visit } = await open();
  await visit('/models');
  await page.getByRole('button', { name: en.models.create }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(en.models.name, { exact: true }).fill('Taken');
  await dialog.getByRole('button', { name: en.models.create }).click();
  await dialog.getByText(en.models.codeTaken).waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

test('a change is made onto the state that was opened; another one in the meantime is said', async ({
  open,
  server,
}) => {
  const model = await server.createModel({
    code: 'meter',
    name: 'Meter',
    provisioning: { wifi_password: 'of the model' },
  });
  const { page, visit } = await open();
  await visit(`/models/${model.id}`);
  await page.getByRole('button', { name: en.shell.edit, exact: true }).click();
  const dialog = page.getByRole('dialog', { name: en.models.editTitle });
  await dialog.getByLabel(en.models.name, { exact: true }).fill('Water meter');
  await server.call('PATCH', `/api/device-models/${model.id}`, { provisioning: { wifi_ssid: 'Theirs' } });
  await dialog.getByRole('button', { name: en.shell.save }).click();
  await dialog.getByText(en.models.changedTitle).waitFor();
  await dialog.getByRole('button', { name: en.models.takeTheirs }).click();
  await dialog.getByText(en.models.changedTitle).waitFor({ state: 'detached' });
  expect(await dialog.getByLabel(en.models.name, { exact: true }).inputValue()).toBe('Water meter');
  await dialog.getByRole('button', { name: en.shell.save }).click();
  await page.getByRole('heading', { name: 'Water meter', level: 1 }).waitFor();
  const now = await server.call<DeviceModel>('GET', `/api/device-models/${model.id}`);
  expect(now.provisioning).toMatchObject({ wifi_ssid: 'Theirs', wifi_password_state: 'set' });
});

test('a model with devices is not deleted, and says why; one without is', async ({ open, server }) => {
  const model = await server.createModel({ code: 'lamp', name: 'Lamp' });
  const device = await server.createDevice({ device_model_id: model.id, name: 'Lamp 1' });
  const { page, visit } = await open();
  await visit(`/models/${model.id}`);
  await page.getByRole('link', { name: 'Lamp 1' }).waitFor();
  await page.getByRole('button', { name: en.shell.delete, exact: true }).click();
  const dialog = page.getByRole('dialog', { name: en.models.deleteTitle });
  await dialog.getByText(en.models.deleteInUse).waitFor();
  expect(await dialog.getByRole('button', { name: en.shell.delete, exact: true }).count()).toBe(0);
  await dialog.getByRole('link', { name: en.models.allDevices }).click();
  await settled(page);
  expect(page.url()).toContain(`/devices?model=${model.id}`);

  await server.call('DELETE', `/api/devices/${device.id}`);
  await visit(`/models/${model.id}`);
  await page.getByText(en.models.noDevices).waitFor();
  await page.getByRole('button', { name: en.shell.delete, exact: true }).click();
  await dialog.getByRole('button', { name: en.shell.delete, exact: true }).click();
  await page.getByRole('heading', { name: en.models.title, level: 1 }).waitFor();
  expect(await page.getByRole('link', { name: 'Lamp', exact: true }).count()).toBe(0);
  // The view of what is deleted is not a step back.
  await expect(server.call('GET', `/api/device-models/${model.id}`)).rejects.toThrow('404');
});

test('a list that is searched, sorted and paged, with all of it in the address; back and forward', async ({
  open,
  server,
}) => {
  for (let index = 0; index < 55; index += 1) {
    const number = String(index).padStart(2, '0');
    await server.createModel({ code: `series_${number}`, name: `Series ${number}` });
  }
  const { page, visit } = await open();
  await visit('/models?q=Series');
  const first = page.locator('tbody th').first();
  expect(await first.textContent()).toBe('Series 00');
  await page.getByRole('button', { name: en.shell.next }).click();
  await expect.poll(() => first.textContent()).toBe('Series 50');
  expect(page.url()).toContain('cursor=');
  await page.goBack();
  await expect.poll(() => first.textContent()).toBe('Series 00');
  await page.goForward();
  await expect.poll(() => first.textContent()).toBe('Series 50');

  await page.getByRole('button', { name: en.models.code }).click();
  await page.getByRole('button', { name: en.models.code }).click();
  await expect.poll(() => first.textContent()).toBe('Series 54');
  expect(new URL(page.url()).searchParams.get('sort')).toBe('-code');
  expect(new URL(page.url()).searchParams.has('cursor')).toBe(false);

  await page.getByRole('searchbox').fill('series 07');
  await expect.poll(() => page.locator('tbody tr').count()).toBe(1);
  expect(await first.textContent()).toBe('Series 07');
  await page.reload();
  await settled(page);
  expect(await first.textContent()).toBe('Series 07');
  await page.getByRole('searchbox').fill('no such model');
  await page.getByText(en.models.noMatch).waitFor();
  await page.getByRole('button', { name: en.models.clear }).click();
  await expect.poll(() => page.locator('tbody tr').count()).toBe(50);
});
