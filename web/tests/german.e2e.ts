// In German: what the server and the library say is English, and marked as such; the page says the same in German beside it.
import { inspector } from '../src/texts/de-inspector.ts';
import { de } from '../src/texts/de.ts';
import { expect, test } from './harness/browser.ts';
import { READY } from './harness/fleet.ts';
import { openFile } from './harness/inspect.ts';

test.override({ settings: READY });

test('the findings and errors of the inspector', async ({ open }) => {
  const { page, visit } = await open({ locale: 'de-DE', signedIn: false });
  await visit('/inspector');
  await openFile(page, 'golden/bad_hdrcrc_first.bin', inspector.openFile);
  const finding = page.getByRole('listitem').filter({ hasText: inspector.rules['page-header']! }).first();
  await finding.waitFor();
  const library = finding.locator('[lang="en"]');
  expect(await library.textContent()).toMatch(/checksum of the page's header/);
  expect(await library.locator('xpath=ancestor::*[@lang][1]').getAttribute('lang')).toBe('de');

  await page.getByRole('button', { name: inspector.close }).click();
  await openFile(
    page,
    { name: 'text.bin', content: Buffer.from('no partition at all'.repeat(500)) },
    inspector.openFile,
  );
  const question = page.getByRole('alert');
  await question.waitFor();
  expect(await question.locator('[lang="en"]').count()).toBe(1);
  expect(await question.textContent()).toContain(de.refusals['not-nvs'].advice);
});

test('what the server says about a field, and of a failure', async ({ open, fleet }) => {
  const { page, visit } = await open({ locale: 'de-DE' });
  await visit(`/devices/${fleet.kitchen.id}`);
  await page.getByRole('button', { name: de.shell.edit, exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(de.devices.name).fill('\u200b');
  await dialog.getByRole('button', { name: de.shell.save }).click();
  const field = dialog.locator('.error');
  await field.waitFor();
  expect(await field.locator('[lang="en"]').textContent()).toBe((await field.textContent())?.trim());

  await visit('/devices/999999');
  const problem = page.getByRole('alert');
  await problem.waitFor();
  expect(await problem.textContent()).toContain(de.problems.kinds['not-found']!.advice!);
  expect(await problem.locator('[lang="en"]').count()).toBe(1);
});
