// The NVS inspector on the reference images of Espressif's library.
import { readdirSync } from 'node:fs';
import { violations } from './harness/axe.ts';
import { expect, test } from './harness/browser.ts';
import { flashOf, nvsCommand, valuesOf } from './harness/flash.ts';
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

const signedIn = false;

test('a plain partition: what it holds, masked until a click', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await inspect(page, USED);

  await expect.poll(() => page.getByText('30 values in 4 namespaces').count()).toBe(1);
  await expect.poll(() => page.getByText('After the firmware’s start 156 of 504 entries are in use.').count()).toBe(1);
  const rows = page.getByRole('table', { name: 'Values' }).getByRole('row');
  expect(await rows.count()).toBe(31);

  // Short ones, such as a number, may be in the document for other reasons.
  const values = [...valuesOf(referenceImage(USED)).values()].filter((value) => typeof value === 'string');
  const telling = values.filter((value) => value.length > 5 && value !== 'bqsdj8j2');
  expect(telling.length).toBeGreaterThan(10);
  const document = await everything(page);
  expect(telling.filter((value) => document.includes(value))).toEqual([]);

  const url = 'https://api.example.com/v1';
  expect(telling).toContain(url);
  const one = row(page, 'prov/base_url');
  await one.getByRole('button', { name: 'Reveal' }).click();
  await expect.poll(() => one.locator('pre').textContent()).toContain(url);
  // Only this one.
  expect(await page.locator('pre').count()).toBe(1);
  await one.getByRole('button', { name: 'Hex' }).click();
  await expect.poll(() => one.locator('pre').textContent()).toContain('68 74 74 70 73');
  await one.getByRole('button', { name: 'Hide' }).click();
  expect(await everything(page)).not.toContain(url);

  const number = row(page, 'app/boots');
  await number.getByRole('button', { name: 'Reveal' }).click();
  const decimal = await number.locator('pre').textContent();
  await number.getByRole('button', { name: 'Hex' }).click();
  expect(Number(await number.locator('pre').textContent())).toBe(Number(decimal));
});

test('the values are searched, filtered and sorted', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await inspect(page, USED);
  const table = page.getByRole('table', { name: 'Values' });
  const first = table.getByRole('rowheader').first();

  await page.getByLabel('Search for a namespace, key or type').fill('net80211 blob');
  await expect.poll(() => page.getByText('7 of 30 values').count()).toBe(1);
  await page.getByLabel('Search for a namespace, key or type').fill('no such key');
  await expect.poll(() => page.getByText('No value matches.').count()).toBe(1);
  await page.getByLabel('Search for a namespace, key or type').fill('');
  await page.getByLabel('Namespace', { exact: true }).selectOption('phy');
  await expect.poll(() => table.getByRole('rowheader').count()).toBe(3);
  await table.getByRole('button', { name: 'Size' }).click();
  await table.getByRole('button', { name: 'Size' }).click();
  await expect.poll(() => first.textContent()).toContain('cal_data');
  expect(await table.getByRole('columnheader', { name: 'Size' }).getAttribute('aria-sort')).toBe('descending');
});

test('the picture and the table show each other', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await inspect(page, USED);
  const named = slot(page, 3, 31);
  expect(await named.getAttribute('aria-label')).toContain('nvs.net80211/sta.apinfo');

  await row(page, 'nvs.net80211/sta.apinfo')
    .getByRole('button', { name: /in the picture/ })
    .click();
  await expect.poll(() => named.evaluate((element) => element === document.activeElement)).toBe(true);
  // A head, 22 slots of data, and the index.
  await expect.poll(() => page.locator('.slot.lit').count()).toBe(24);

  await page.keyboard.press('Enter');
  const place = row(page, 'nvs.net80211/sta.apinfo').getByRole('button', { name: /in the picture/ });
  await expect.poll(() => place.evaluate((element) => element === document.activeElement)).toBe(true);

  await slot(page, 0, 16).hover();
  await expect.poll(() => page.locator('.detail').textContent()).toContain('prov/device_key');
  await slot(page, 0, 16).click();
  await page.getByRole('button', { name: 'Show in the table' }).click();
  const key = row(page, 'prov/device_key').getByRole('button', { name: /in the picture/ });
  await expect.poll(() => key.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.getByRole('button', { name: 'Show the bytes' }).click();
  await expect.poll(() => page.locator('.detail pre').textContent()).toContain('udevice_k');
});

test('a damaged partition: findings in words that lead to their place, and the repaired file', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await inspect(page, 'golden/cut_blob_smallupd_02.bin');
  await expect.poll(() => page.getByText('2 errors, 0 warnings').count()).toBe(1);
  await expect.poll(() => page.getByText("a blob's chunk without an index").count()).toBe(1);
  await page.getByRole('listitem').getByRole('button', { name: 'Page 0, entry 10' }).click();
  await expect.poll(() => slot(page, 0, 10).evaluate((element) => element === document.activeElement)).toBe(true);

  const repaired = await download(
    page,
    page.getByRole('button', { name: 'Download as the firmware’s start leaves it' }),
  );
  expect(repaired.name).toBe('cut_blob_smallupd_02-repaired.bin');
  const image = referenceImage('golden/cut_blob_smallupd_02.bin');
  const expected = nvsCommand({ 'nvs.bin': image }, ['repair', 'nvs.bin', 'out.bin'], 'out.bin');
  expect(repaired.content.equals(expected)).toBe(true);
});

test('an encrypted partition asks for its keys', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await openFile(page, 'golden/enc_strings.bin');
  await page.getByRole('heading', { name: 'This partition seems to be encrypted' }).waitFor();
  await openFile(page, 'golden/keyfile-b.bin', 'Open a key file');
  await page.getByRole('heading', { name: 'These keys do not open the partition' }).waitFor();
  expect(await violations(page)).toEqual([]);
  await openFile(page, 'golden/keyfile-a.bin', 'Open a key file');
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();
  await expect.poll(() => page.getByText('encrypted; opened with the key file').count()).toBe(1);
  await page
    .getByRole('button', { name: /^Reveal/ })
    .first()
    .click();
  await expect.poll(() => page.locator('.revealed pre').count()).toBe(1);
});

test('an encrypted partition without its keys shows its pages, and takes the keys later', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await openFile(page, 'golden/enc_minmax.bin');
  await page.getByRole('button', { name: 'Show it without keys' }).click();
  await expect.poll(() => page.locator('.slot.used').count()).toBeGreaterThan(0);
  await expect.poll(() => page.getByText('The firmware cannot read the values').count()).toBeGreaterThan(0);
  await openFile(page, 'golden/keyfile-a.bin', 'Open a key file');
  await page.getByRole('table', { name: 'Values' }).waitFor();
});

const fctry = { name: 'fctry', type: 'nvs', offset: 0x110000, size: 0x3000 } as const;
const ROWS = [
  { name: 'nvs', type: 'nvs', offset: 0x9000, size: 0x4000 },
  { name: 'nvs_keys', type: 'nvs_keys', offset: 0xd000, size: 0x1000 },
  fctry,
];

test('a dump of the whole flash: its partitions, and its keys', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  const flash = flashOf(
    {
      nvs: referenceImage('golden/enc_minmax.bin').subarray(0, 0x4000),
      nvs_keys: referenceImage('golden/keyfile-a.bin'),
      fctry: referenceImage('golden/cut_blob_smallupd_02.bin'),
    },
    ROWS,
  );
  await inspect(page, { name: 'flash.bin', content: flash });
  await expect.poll(() => page.getByText(/^Dump of a whole flash/).count()).toBe(1);
  await expect
    .poll(() => page.getByText('encrypted; the keys are in the partition nvs_keys of the same flash').count())
    .toBe(1);
  await page.getByLabel('Partition', { exact: true }).selectOption('fctry');
  await expect.poll(() => page.getByText('12 KiB (0x3000) at offset 0x110000').count()).toBe(1);
  await expect.poll(() => page.getByText('2 errors, 0 warnings').count()).toBe(1);
});

test('a dump with several NVS partitions asks which one', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  const rows = [
    { ...fctry, name: 'one' },
    { ...fctry, name: 'two', offset: 0x120000 },
  ];
  await openFile(page, {
    name: 'flash.bin',
    content: flashOf({ two: referenceImage('golden/cut_blob_smallupd_02.bin') }, rows),
  });
  await page.getByRole('heading', { name: 'Which partition?' }).waitFor();
  await page.getByRole('button', { name: 'two', exact: true }).click();
  await expect.poll(() => page.getByText('2 errors, 0 warnings').count()).toBe(1);
});

test('a flash of 16 MiB, and a partition of 1 MiB', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  const rows = [{ name: 'nvs', type: 'nvs' as const, offset: 0x9000, size: 0x4000 }];
  const flash = Buffer.alloc(16 << 20, 0xff);
  flashOf({ nvs: referenceImage(USED) }, rows).copy(flash);
  await inspect(page, { name: 'flash.bin', content: flash });
  await expect.poll(() => page.getByText('16 MiB (0x1000000)', { exact: false }).count()).toBe(1);
  await page.getByRole('button', { name: 'Close the file' }).click();

  const large = Buffer.alloc(1 << 20, 0xff);
  referenceImage(USED).copy(large);
  const began = Date.now();
  await inspect(page, { name: 'large.bin', content: large });
  // A bound against a hang, also on a computer that is busy with something else.
  expect(Date.now() - began).toBeLessThan(10_000);
  expect(await page.locator('[data-page]').count()).toBe(256);
  // What is not drawn yet takes as much room as what is: nothing moves when it is.
  const heights = await page.locator('[data-page]').evaluateAll((pages) => pages.map((one) => one.clientHeight));
  expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan(20);
  // Only what is near is drawn.
  expect(await page.locator('[data-slot]').count()).toBeLessThan(60 * 126);
  await page.locator('[data-page="0"] [data-slot="0"]').focus();
  await page.keyboard.press('Control+End');
  await expect.poll(() => slot(page, 255, 125).evaluate((element) => element === document.activeElement)).toBe(true);
});

test('what is no NVS partition is named, and shown only by force', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  await openFile(page, { name: 'zeros.bin', content: Buffer.alloc(0x6000) });
  await page.getByRole('heading', { name: 'This file cannot be shown as an NVS partition' }).waitFor();
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('none of its 6 pages has a valid header');
  expect(await violations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Show it anyway' }).click();
  await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();
  await page.getByRole('button', { name: 'Close the file' }).click();

  await openFile(page, { name: 'empty.bin', content: Buffer.alloc(0) });
  await page.getByRole('heading', { name: 'This file is empty' }).waitFor();
  expect(await page.getByRole('button', { name: 'Show it anyway' }).count()).toBe(0);
  await page.getByRole('button', { name: 'Close the file' }).click();
  await openFile(page, { name: 'text.txt', content: Buffer.from('not a partition at all\n'.repeat(20)) });
  await page.getByRole('heading', { name: 'This file cannot be shown as an NVS partition' }).waitFor();
});

test('every reference image opens or says why not', { timeout: 120_000 }, async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  const names = readdirSync(referencePath('golden')).filter((name) => name.endsWith('.bin'));
  expect(names.length).toBeGreaterThan(120);
  for (const name of names) {
    await openFile(page, `golden/${name}`);
    await page.locator('h2').first().waitFor();
    const without = page.getByRole('button', { name: 'Show it without keys' });
    if ((await without.count()) > 0) {
      await without.click();
      await page.getByRole('heading', { name: 'Pages and entries' }).waitFor();
    }
    await page.getByRole('button', { name: 'Close the file' }).click();
    await page.getByRole('button', { name: 'Open a file' }).waitFor();
  }
});

test('values that the firmware cannot read, older copies and orphans are marked', async ({ open }) => {
  const { page, visit } = await open({ signedIn });
  await visit('/inspector');
  const values = page.getByRole('table', { name: 'Values' });
  const marks: Record<string, string> = {
    bad_strdata: 'ESP_ERR_NVS_NOT_FOUND',
    bad_dup_page: 'not read',
    bad_ns_entry: 'no namespace has this index',
    v1_blobs: 'old blob format',
  };
  for (const [name, mark] of Object.entries(marks)) {
    await inspect(page, `golden/${name}.bin`);
    await expect.poll(() => values.textContent()).toContain(mark);
    await page.getByRole('button', { name: 'Close the file' }).click();
  }
});
