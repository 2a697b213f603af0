// From the sign-in to a board's dialog without a mouse.
import { en } from '../src/texts/en.ts';
import { expect, settled, test } from './harness/browser.ts';
import { press, tabTo, type } from './harness/keyboard.ts';

test('by keyboard alone: sign in, a model, a device, and Provision opened and left', async ({ open, server }) => {
  const { page, visit } = await open({ signedIn: false });
  await visit('/models');
  await type(page, en.signIn.token, server.token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: en.models.title, level: 1 }).waitFor();
  await settled(page);

  await press(page, 'button', en.models.create);
  await page.getByRole('dialog', { name: en.models.createTitle }).waitFor();
  await type(page, en.models.name, 'Temperature sensor');
  await tabTo(page, 'textbox', en.models.code);
  await press(page, 'button', en.models.create);
  await page.getByRole('heading', { name: 'Temperature sensor', level: 1 }).waitFor();
  // A new view is read from its heading on.
  await expect.poll(() => page.evaluate(() => document.activeElement?.localName)).toBe('h1');
  await settled(page);

  await press(page, 'button', en.models.newDevice);
  await page.getByRole('dialog', { name: en.devices.createTitle }).waitFor();
  await type(page, en.devices.name, 'Kitchen');
  await press(page, 'button', en.shell.create);
  await page.getByRole('heading', { name: 'Kitchen', level: 1 }).waitFor();
  await settled(page);

  const opener = await tabTo(page, 'button', en.provision.title);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  expect(await dialog.evaluate((element) => element.contains(document.activeElement))).toBe(true);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  // Where one was before.
  expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true);
});

test('the first stop leads past the header to the content', async ({ open }) => {
  const { page, visit } = await open();
  await visit('/models');
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: en.shell.skip });
  expect(await skip.evaluate((link) => link === document.activeElement)).toBe(true);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement?.closest('main') !== null)).toBe(true);
});

test('a table is sorted and a menu used without a mouse', async ({ open, server }) => {
  await server.createModel({ code: 'a', name: 'B' });
  await server.createModel({ code: 'b', name: 'A' });
  const { page, visit } = await open();
  await visit('/models');
  await press(page, 'button', en.models.code, ' ');
  await expect.poll(() => page.url()).toContain('sort=code');
  expect(await page.locator('th[aria-sort="ascending"]').textContent()).toContain(en.models.code);
  await press(page, 'button', `${en.shell.account}: administrator`);
  await tabTo(page, 'combobox', en.shell.language);
  await page.keyboard.press('Escape');
});
