// The pictures of README and docs/page.md: docs/pictures/*.png, written by `npm run pictures`.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { picture } from './harness/browser.ts';
import { connect, done, expect, openProvision, says, test, write } from './harness/desk.ts';
import { READY } from './harness/fleet.ts';
import { flashOf, usedNvs } from './harness/flash.ts';
import { Server } from './harness/server.ts';

test.override('settings', READY);

/** What differs in each run gets a value of its own: the times, and what the server makes up. */
async function freeze(page: Page, server: Server, names: Record<string, string> = {}): Promise<void> {
  await page.route('**/api/**', async (route) => {
    const answer = await route.fetch();
    if (!(answer.headers()['content-type'] ?? '').includes('json')) return route.fulfill({ response: answer });
    let text = (await answer.text()).replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, '2026-03-02T09:30:00.000000Z');
    text = text.replaceAll(server.url, 'https://fleet.example.com');
    for (const [made, fixed] of Object.entries(names)) text = text.replaceAll(made, fixed);
    return route.fulfill({ response: answer, body: text });
  });
}

test('the first steps', async ({ open }) => {
  const server = await Server.start(READY);
  try {
    const { page, visit } = await open({ server });
    await freeze(page, server);
    await visit('/');
    await picture(page, 'start');
  } finally {
    await server.stop();
  }
});

test('devices, a device, and the settings', async ({ open, server, fleet }) => {
  const { page, visit } = await open();
  const keys = ['k3v9x0qa', 'b7m2d4xk', 'q0t5w8rn', 'h1c6z9pe', 'd8s3y2lv', 'n4g7f5ju', 'w2x8a1mc', 'r6k0e3tb'];
  await freeze(page, server, Object.fromEntries(fleet.devices.map(({ key }, index) => [key, keys[index]!])));
  await visit('/devices');
  await picture(page, 'devices');
  await visit(`/devices/${fleet.kitchen.id}`);
  await picture(page, 'device');
  await visit('/settings');
  await picture(page, 'settings');
});

test('Provision, from the plan to done', async ({ fleet, plug, sit }) => {
  const board = await plug({ flash: flashOf({ nvs: usedNvs() }), with: ['--mac', '60:55:f9:aa:00:04'] });
  const desk = await sit(board, { viewport: { width: 1280, height: 1280 } });
  await openProvision(desk, fleet.devices[3]!);
  await connect(desk);
  await says(desk, 'prov/client_secret');
  await picture(desk.dialog, 'provision-plan');
  await write(desk);
  await done(desk);
  await picture(desk.dialog, 'provision-done');
  expect(await desk.dialog.textContent()).toContain(board.mac);
});

test('the inspector', async ({ open }) => {
  const { page, visit } = await open({ viewport: { width: 1280, height: 960 } });
  await visit('/inspector');
  const image = resolve(
    import.meta.dirname,
    '../../crates/fleetmint-nvs/tests/storage/reference/patch/foreign_reprov.after.bin',
  );
  await page
    .locator('input[type="file"]')
    .first()
    .setInputFiles({
      name: 'board.bin',
      mimeType: 'application/octet-stream',
      buffer: await readFile(image),
    });
  await page.getByText('prov').first().waitFor();
  await page.getByRole('heading', { name: 'Pages and entries' }).evaluate((heading) => heading.scrollIntoView());
  // Pages are drawn when they come into sight.
  await page.waitForTimeout(500);
  await picture(page, 'inspector');
});
