// What the NVS inspector changes and compares, against the program; and what it must never do.
import { violations } from './harness/axe.ts';
import { expect, test } from './harness/browser.ts';
import { nvsCommand } from './harness/flash.ts';
import {
  download,
  everything,
  inspect,
  openFile,
  referenceImage,
  referencePath,
  row,
  slot,
  USED,
} from './harness/inspect.ts';
import { press, tabTo, type } from './harness/keyboard.ts';
import type { Page } from 'playwright-core';

const signedIn = false;

interface Wanted {
  namespace: string;
  key: string;
  type: string;
  value: string;
}

async function set(page: Page, { namespace, key, type: as, value }: Wanted): Promise<void> {
  await page.getByRole('button', { name: 'Set a value' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Namespace').fill(namespace);
  await dialog.getByLabel('Key').fill(key);
  await dialog.getByLabel('Type').selectOption(as);
  await dialog.getByLabel('Value').fill(value);
  await dialog.getByRole('button', { name: 'Add to the list of changes' }).click();
}

/** The same by `fleetmint nvs patch`. */
function patched(image: Buffer, rows: string, options: string[] = [], files: Record<string, Buffer> = {}): Buffer {
  const csv = `key,type,encoding,value\n${rows}`;
  return nvsCommand(
    { 'nvs.bin': image, 'changes.csv': csv, ...files },
    ['patch', 'nvs.bin', 'changes.csv', 'out.bin', ...options],
    'out.bin',
  );
}

test('a list of changes leaves the same bytes as `fleetmint nvs patch`', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await inspect(page, USED);

  await row(page, 'prov/client_secret').getByRole('button', { name: 'Edit prov/client_secret' }).click();
  const dialog = page.getByRole('dialog');
  expect(await dialog.getByLabel('Value').inputValue()).toBe('');
  await dialog.getByLabel('Value').fill('q8Zr5Tn2Vb7Kd4Xs');
  await dialog.getByRole('button', { name: 'Add to the list of changes' }).click();
  await set(page, { namespace: 'app', key: 'gain', type: 'float', value: '0.5' });
  await set(page, { namespace: 'app', key: 'mask', type: 'u32', value: '0xff00ff00' });
  await set(page, { namespace: 'fresh', key: 'ca', type: 'blob-hex', value: '30 82\n01 0a' });
  await row(page, 'app/sched').getByRole('button', { name: 'Delete app/sched' }).click();
  await page.getByLabel('Namespace', { exact: true }).selectOption('phy');
  await page.getByRole('button', { name: 'Erase all values of phy' }).click();

  const changes = page.getByRole('region', { name: 'Changes' });
  await expect.poll(() => changes.getByRole('listitem').count()).toBe(6);
  expect(await everything(page)).not.toContain('q8Zr5Tn2Vb7Kd4Xs');
  const differences = changes.getByRole('table', { name: 'What differs' });
  await expect.poll(() => differences.textContent()).toContain('prov/client_secret');
  expect(await violations(page)).toEqual([]);

  const rows =
    'prov,namespace,,\nclient_secret,data,string,q8Zr5Tn2Vb7Kd4Xs\napp,namespace,,\ngain,data,float,0.5\n' +
    'mask,data,u32,0xff00ff00\nfresh,namespace,,\nca,data,hex2bin,3082010a\napp,namespace,,\nsched,delete,,\n' +
    'phy,namespace,,\n,delete-all,,\n';
  const saved = await download(page, page.getByRole('button', { name: 'Download the changed file' }));
  expect(saved.name).toBe('foreign_reprov.before-changed.bin');
  const expected = patched(referenceImage(USED), rows);
  expect(saved.content.equals(expected)).toBe(true);
  // The pages that are named are those that differ.
  const changed = [0, 1, 2, 3].filter(
    (n) => !expected.subarray(n * 4096, (n + 1) * 4096).equals(referenceImage(USED).subarray(n * 4096, (n + 1) * 4096)),
  );
  await expect.poll(() => changes.textContent()).toContain(`: ${changed.join(', ')}.`);
  for (const n of [0, 1, 2, 3]) {
    const badges = await page.locator(`[data-page="${n}"] header`).textContent();
    expect(badges?.includes('changed')).toBe(changed.includes(n));
  }

  await changes.getByRole('button', { name: 'Undo the last' }).click();
  await expect.poll(() => changes.getByRole('listitem').count()).toBe(5);
  await changes.getByRole('button', { name: 'Undo: set app/gain (float)' }).click();
  await expect.poll(() => changes.getByRole('listitem').count()).toBe(4);
  await changes.getByRole('button', { name: 'Undo all' }).click();
  await expect.poll(() => changes.count()).toBe(0);
  await page.getByLabel('Namespace', { exact: true }).selectOption('All');
  await expect.poll(() => row(page, 'app/sched').count()).toBe(1);
});

test('an encrypted partition is changed with its keys', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await openFile(page, 'patch/enc_foreign.before.bin');
  await openFile(page, 'patch/keyfile-b.bin', 'Open a key file');
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();
  await set(page, { namespace: 'app', key: 'interval', type: 'u16', value: '30' });
  const saved = await download(page, page.getByRole('button', { name: 'Download the changed file' }));
  const expected = patched(
    referenceImage('patch/enc_foreign.before.bin'),
    'app,namespace,,\ninterval,data,u16,30\n',
    ['--keys', 'keys.bin'],
    { 'keys.bin': referenceImage('patch/keyfile-b.bin') },
  );
  expect(saved.content.equals(expected)).toBe(true);
});

test('what the firmware would refuse is refused with its error, and changes nothing', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await inspect(page, 'golden/full_3.bin');
  const dialog = page.getByRole('dialog');
  await set(page, { namespace: 'app', key: 'large', type: 'str', value: 'x'.repeat(3000) });
  await expect.poll(() => dialog.getByRole('alert').textContent()).toContain('ESP_ERR_NVS_NOT_ENOUGH_SPACE');
  expect(await violations(page)).toEqual([]);
  await dialog.getByLabel('Key').fill('a_key_of_sixteen');
  await dialog.getByRole('button', { name: 'Add to the list of changes' }).click();
  await expect.poll(() => dialog.getByRole('alert').textContent()).toContain('ESP_ERR_NVS_KEY_TOO_LONG');
  await page.keyboard.press('Escape');
  await expect.poll(() => dialog.count()).toBe(0);
  expect(await page.getByRole('region', { name: 'Changes' }).count()).toBe(0);
});

test('two images are compared, masked until a click', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await inspect(page, 'patch/foreign_reprov.before.bin');
  await openFile(page, 'patch/foreign_reprov.after.bin', 'Open another file');
  await page.getByRole('status').filter({ hasText: 'differ' }).waitFor();
  const table = page.getByRole('table', { name: 'What differs' });
  const secret = '22ycFRg8xvWRhUPyVOr0k1IOq2MZCqBV';
  await expect.poll(() => table.textContent()).toContain('prov/client_secret');
  expect(await everything(page)).not.toContain(secret);
  await table.getByRole('button', { name: 'Reveal prov/client_secret after' }).click();
  await expect.poll(() => table.locator('pre').textContent()).toContain(secret);
  expect(await table.locator('pre').count()).toBe(1);
  expect(await violations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Close the other file' }).click();
  await openFile(page, USED, 'Open another file');
  await expect.poll(() => page.getByText('Both hold the same values.').count()).toBe(1);
});

test('nothing leaves the browser, and nothing is kept', async ({ open }) => {
  const { page, visit, watch } = await open({ signedIn });
  await visit('/inspector');
  await page.getByText('The file stays in this browser: nothing of it is sent anywhere.').waitFor();
  // The parts of the page that come later are asked for once.
  await inspect(page, USED);
  await page.getByRole('button', { name: 'Close the file' }).click();
  await page.getByLabel('Open a file').waitFor({ state: 'attached' });
  const before = watch.requests.length;

  await inspect(page, USED);
  await row(page, 'prov/client_secret').getByRole('button', { name: 'Reveal' }).click();
  await set(page, { namespace: 'app', key: 'interval', type: 'u16', value: '30' });
  await openFile(page, 'patch/foreign_reprov.after.bin', 'Open another file');
  await page.getByRole('status').filter({ hasText: 'differ' }).waitFor();
  await download(page, page.getByRole('button', { name: 'Download the changed file' }));
  await page.getByRole('button', { name: 'Close the file' }).click();
  // A list of changes is not lost without a question.
  const question = page.getByRole('dialog');
  await expect.poll(() => question.textContent()).toContain('The change in the list is not saved anywhere.');
  await question.getByRole('button', { name: 'Close the file' }).click();
  await page.getByLabel('Open a file').waitFor({ state: 'attached' });

  const asked = watch.requests.slice(before).filter((url) => !url.startsWith('blob:'));
  expect(asked).toEqual([]);
  const kept = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: await indexedDB.databases(),
    address: location.href,
  }));
  expect(kept).toMatchObject({ local: {}, session: {}, databases: [] });
  expect(new URL(kept.address).pathname + new URL(kept.address).search).toBe('/inspector');
  expect(watch.console.join('\n')).not.toContain('prov');
});

test('the keyboard alone', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  // The browser's own dialog cannot be driven; that it opens is enough.
  const chosen = page.waitForEvent('filechooser');
  await tabTo(page, 'button', 'Open a file');
  await page.keyboard.press('Enter');
  await (await chosen).setFiles(referencePath(USED));
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();

  // The picture is one stop of the Tab key.
  await tabTo(page, 'option', /^Page 0, entry 0:/);
  await page.keyboard.press('ArrowRight');
  await expect.poll(() => slot(page, 0, 1).evaluate((element) => element === document.activeElement)).toBe(true);
  await page.keyboard.press('PageDown');
  await expect.poll(() => slot(page, 1, 1).evaluate((element) => element === document.activeElement)).toBe(true);
  await page.keyboard.press('Control+ArrowRight');
  await page.keyboard.press('PageUp');
  await page.keyboard.press('Home');
  for (let steps = 0; steps < 16; steps += 1) await page.keyboard.press('ArrowRight');
  await expect.poll(() => page.locator('.detail').textContent()).toContain('prov/device_key');
  expect(await page.locator('[role="option"][tabindex="0"]').count()).toBe(1);
  await page.keyboard.press('Enter');
  const place = row(page, 'prov/device_key').getByRole('button', { name: /in the picture/ });
  await expect.poll(() => place.evaluate((element) => element === document.activeElement)).toBe(true);

  await press(page, 'button', 'Edit prov/device_key');
  await type(page, 'Value', 'k3x9a2b7');
  await press(page, 'button', 'Add to the list of changes');
  await page.getByRole('region', { name: 'Changes' }).waitFor();
  await tabTo(page, 'button', /^prov\/device_key is changed/, 'Shift+Tab');
  await page.keyboard.press('Enter');
  await press(page, 'button', 'Undo all');
  await expect.poll(() => page.getByRole('region', { name: 'Changes' }).count()).toBe(0);
});

test('no view breaks a rule of accessibility', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  expect(await violations(page)).toEqual([]);
  await inspect(page, USED);
  await row(page, 'prov/base_url').getByRole('button', { name: 'Reveal' }).click();
  await slot(page, 0, 16).click();
  expect(await violations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Close the file' }).click();
  await inspect(page, 'golden/bad_bm_illegal.bin');
  expect(await violations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Set a value' }).click();
  await page.getByRole('dialog').waitFor();
  expect(await violations(page)).toEqual([]);
});

test('fits windows from 320 pixels on, in both languages', async ({ open }) => {
  for (const locale of ['en-GB', 'de-DE']) {
    for (const width of [320, 768, 1440]) {
      const { page, visit } = await open({ signedIn, locale, viewport: { width, height: 900 } });
      await visit('/inspector');
      await page.locator('input[type="file"]').setInputFiles(referencePath(USED));
      await page.locator('[data-slot]').first().waitFor();
      await page
        .locator('button[aria-label^="prov/base_url"], button[aria-label="Reveal prov/base_url"]')
        .first()
        .click();
      const wider = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect([locale, width, wider > 0]).toEqual([locale, width, false]);
    }
  }
});
