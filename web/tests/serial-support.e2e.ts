// Why a page cannot reach a board, with Chromium's own Web Serial: what is said is what it is.
import type { Page } from 'playwright-core';
import { inspector } from '../src/texts/en-inspector.ts';
import { en } from '../src/texts/en.ts';
import { expect, test } from './harness/browser.ts';
import { newDevice } from './harness/desk.ts';
import type { Server } from './harness/server.ts';

const { noSerial, connect } = en.provision;

/** The page's document with another header, as a proxy in front of the service would send it. */
async function withHeader(page: Page, name: string, value: string): Promise<void> {
  await page.route('**/*', async (route) => {
    if (route.request().resourceType() !== 'document') return route.continue();
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), [name]: value } });
  });
}

const atAll = (server: Server): Server =>
  Object.create(server, { url: { value: server.url.replace('127.0.0.1', '0.0.0.0') } }) as Server;

interface Why {
  what: string;
  prepare?: (page: Page) => Promise<unknown>;
  server?: (server: Server) => Server;
  says: 'yes' | 'insecure' | 'missing' | 'blocked';
}

const WHYS: Why[] = [
  { what: 'on the same computer', says: 'yes' },
  { what: 'by plain HTTP', server: atAll, says: 'insecure' },
  {
    what: 'without Web Serial',
    prepare: (page) => page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'serial')),
    says: 'missing',
  },
  {
    what: 'with a policy that forbids it',
    prepare: (page) => withHeader(page, 'permissions-policy', 'serial=()'),
    says: 'blocked',
  },
  {
    what: 'with a policy that forbids other things',
    prepare: (page) => withHeader(page, 'permissions-policy', 'usb=()'),
    says: 'yes',
  },
];

test.for(WHYS)('$what', async ({ prepare, server: elsewhere, says }, { server, open }) => {
  const device = await newDevice(server);
  const { page, visit, watch } = await open(elsewhere === undefined ? {} : { server: elsewhere(server) });
  // Chromium's own remark about a header that only counts over HTTPS.
  if (elsewhere !== undefined) watch.expect(/Cross-Origin-Opener-Policy/);
  await prepare?.(page);
  await visit(`/devices/${device.id}`);
  await page.getByRole('button', { name: 'Provision', exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('heading').first().waitFor();
  const reasons = ['insecure', 'missing', 'blocked'] as const;
  const shown = async (): Promise<string[]> => {
    const texts = await dialog.locator('.notice-title').allTextContents();
    return reasons.filter((reason) => texts.includes(noSerial[reason]));
  };
  await expect.poll(shown).toEqual(says === 'yes' ? [] : [says]);
  expect(await dialog.getByRole('button', { name: connect }).count()).toBe(says === 'yes' ? 1 : 0);
  // Each of them has the commands that do the same.
  expect(await dialog.getByText(`fleetmint flash --device ${device.key}`).count()).toBe(says === 'yes' ? 0 : 1);

  await visit('/inspector');
  const read = page.getByRole('button', { name: inspector.readBoard });
  if (says === 'yes') await read.waitFor();
  else {
    await page.getByText(inspector.noSerial[says]).waitFor();
    expect(await read.count()).toBe(0);
  }
});
