// Audit, boards and settings: what is shown of what was done, and of what is set.
import { de } from '../src/texts/de.ts';
import { en } from '../src/texts/en.ts';
import { expect, settled, test } from './harness/browser.ts';
import { READY } from './harness/fleet.ts';
import { Server } from './harness/server.ts';

test.override({ settings: READY });

test('the audit is filtered, and the address holds every filter', async ({ open, server, fleet }) => {
  await server.call('GET', `/api/devices/${fleet.kitchen.id}/provisioning`);
  await server.call('GET', '/api/devices/999999/provisioning').catch(() => undefined);
  const { page, visit } = await open({ timezoneId: 'Europe/Berlin' });
  await visit('/audit');
  const rows = page.locator('tbody tr');
  await page.getByLabel(en.audit.action, { exact: true }).selectOption(en.audit.actions.get_provisioning);
  await expect
    .poll(async () => new Set(await page.locator('tbody th code').allTextContents()))
    .toEqual(new Set(['get_provisioning']));
  await page.getByLabel(en.audit.outcome, { exact: true }).selectOption(en.audit.outcomes.failed);
  await expect.poll(() => rows.count()).toBe(1);
  expect(await rows.first().textContent()).toContain('Not found');
  await page.getByLabel(en.audit.outcome, { exact: true }).selectOption(en.audit.allOutcomes);
  await page.getByLabel(en.audit.numberOf.device).fill(String(fleet.kitchen.id));
  await page.getByLabel(en.audit.numberOf.device).press('Enter');
  await expect.poll(() => page.url()).toContain(`device=${fleet.kitchen.id}`);
  await expect.poll(() => rows.filter({ hasText: 'get_provisioning' }).count()).toBeGreaterThan(0);
  await expect
    .poll(() => page.getByRole('link', { name: fleet.kitchen.name, exact: true }).count())
    .toBe(await rows.count());

  // A time is typed in the reader's zone, and stands in the address in UTC.
  await page.getByLabel(en.audit.to, { exact: true }).fill('2026-01-01T12:00');
  await page.getByText(en.audit.noMatch).waitFor();
  const query = new URL(page.url()).searchParams;
  expect(Object.fromEntries(query)).toEqual({
    action: 'get_provisioning',
    device: String(fleet.kitchen.id),
    to: '2026-01-01T11:00:00.000Z',
  });
  await page.reload();
  await settled(page);
  expect(await page.getByLabel(en.audit.to, { exact: true }).inputValue()).toBe('2026-01-01T12:00');
  await page.goBack();
  await rows.first().waitFor();
  await page.getByRole('button', { name: en.audit.clear }).click();
  await expect.poll(() => rows.count()).toBeGreaterThan(10);
  expect(new URL(page.url()).search).toBe('');
});

test('a record names its device and model as long as they exist, and the second of each event', async ({
  open,
  server,
}) => {
  const model = await server.createModel({ code: 'audited', name: 'Audited' });
  const [kept, gone] = [
    await server.createDevice({ device_model_id: model.id, name: 'Kept one' }),
    await server.createDevice({ device_model_id: model.id, name: 'Gone one' }),
  ];
  await server.call('DELETE', `/api/devices/${gone.id}`);
  const { page, visit } = await open({ locale: 'en-GB' });
  await visit(`/audit?model=${model.id}`);
  const rows = page.locator('tbody tr');
  await expect.poll(() => rows.count()).toBe(4);
  const texts = await rows.allTextContents();
  for (const text of texts) expect(text).toMatch(/\d{1,2}:\d{2}:\d{2}/);
  const [deleted, createdGone, createdKept] = texts;
  for (const text of [deleted, createdGone]) {
    expect(text).toContain(en.audit.deviceNumber(gone.id));
    expect(text).toContain(en.audit.gone);
    expect(text).not.toContain('Gone one');
  }
  expect(createdKept).toContain('Kept one');
  expect(createdKept).toContain(kept.key);
  expect(createdKept).toContain(en.audit.deviceNumber(kept.id));
  expect(await page.getByRole('link', { name: 'Audited' }).count()).toBe(4);
  await page.getByRole('link', { name: 'Kept one' }).click();
  await page.getByRole('heading', { name: 'Kept one', level: 1 }).waitFor();
});

test('an address that the server would refuse shows all', async ({ open }) => {
  const { page, visit } = await open();
  await visit('/audit?device=x&outcome=maybe&from=yesterday&cursor=abc');
  expect(await page.getByRole('alert').count()).toBe(0);
  expect(await page.locator('tbody tr').count()).toBeGreaterThan(3);
});

test('actions have names in German too, beside the technical one', async ({ open, fleet }) => {
  expect(fleet.devices.length).toBeGreaterThan(0);
  const { page, visit } = await open({ locale: 'de-DE' });
  await visit('/audit?action=create_device');
  const row = await page.locator('tbody tr').first().textContent();
  expect(row).toContain(de.audit.actions.create_device);
  expect(row).toContain('create_device');
});

test('boards are searched and filtered by what became of their newest flash', async ({ open, fleet }) => {
  const { page, visit } = await open();
  await visit('/boards');
  const macs = page.locator('tbody th');
  expect(await macs.allTextContents()).toEqual(['60:55:f9:aa:00:03', '60:55:f9:aa:00:02', '60:55:f9:aa:00:01']);
  await page.getByRole('combobox', { name: en.boards.filterState }).selectOption(en.boards.states.started);
  await expect.poll(() => macs.allTextContents()).toEqual(['60:55:f9:aa:00:03']);
  expect(page.url()).toContain('state=started');
  await page.getByRole('combobox', { name: en.boards.filterState }).selectOption(en.boards.allStates);
  await page.getByRole('searchbox').fill('aa:00:01');
  await expect.poll(() => macs.allTextContents()).toEqual([fleet.board]);

  await macs.getByRole('link').click();
  await page.getByRole('heading', { name: en.boards.named(fleet.board), level: 1 }).waitFor();
  await settled(page);
  const flashes = page.locator('tbody tr');
  expect(await flashes.count()).toBe(2);
  expect(await flashes.nth(0).textContent()).toContain(en.boards.outcomes.written);
  expect(await flashes.nth(1).textContent()).toContain('the board was unplugged');
  await page.getByRole('link', { name: 'Kitchen' }).click();
  await page.getByRole('heading', { name: 'Kitchen', level: 1 }).waitFor();
});

test('a flash without an end, and an unknown board, are said', async ({ open, fleet }) => {
  expect(fleet.devices.length).toBeGreaterThan(0);
  const { page, visit } = await open();
  await visit('/boards/60:55:f9:aa:00:03');
  await page.getByText(en.boards.unfinishedTitle).waitFor();
  await visit('/boards/60:55:f9:ff:ff:ff');
  await page.getByRole('alert').waitFor();
});

test('the settings say what is set, where, and what is missing', async ({ open }) => {
  const { page, visit } = await open();
  await visit('/settings');
  await page.getByText(en.settings.allGood).waitFor();
  const text = (await page.getByRole('main').textContent()) ?? '';
  expect(text).toContain('https://api.example.com');
  expect(text).toContain('FLEETMINT_PROVISIONING__WIFI_PASSWORD');
  expect(text).not.toContain(READY.FLEETMINT_PROVISIONING__WIFI_PASSWORD);

  const bare = await Server.start();
  try {
    const other = await open({ server: bare });
    await other.visit('/settings');
    await other.page.getByText(en.settings.problems(2)).waitFor();
    expect(await other.page.getByText(en.settings.findings['loopback-url']).count()).toBe(2);
  } finally {
    await bare.stop();
  }
});

test('what every device gets can be missing', async ({ open }) => {
  const wildcard = await Server.start({ FLEETMINT_PROVISIONING__BASE_URL: '' });
  try {
    const { page, visit } = await open({ server: wildcard });
    await visit('/settings');
    await page.getByText(en.settings.missing, { exact: true }).first().waitFor();
  } finally {
    await wildcard.stop();
  }
});
