// Signing in, out, and in again where one was.
import { violations } from './harness/axe.ts';
import { expect, settled, test } from './harness/browser.ts';
import { press, type } from './harness/keyboard.ts';
import { Server } from './harness/server.ts';

test('a link into the page leads to it by way of the sign-in', async ({ open, server }) => {
  const model = await server.createModel({ code: 'linked', name: 'Linked' });
  const device = await server.createDevice({ device_model_id: model.id, name: 'Linked device' });
  const { page, visit, watch } = await open({ signedIn: false });
  await visit(`/devices/${device.id}?from=mail`);
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
  expect(await page.title()).toBe('Sign in · Fleetmint');
  expect(await violations(page)).toEqual([]);

  const token = page.getByLabel('Administrator token');
  expect(await token.evaluate((input) => document.activeElement === input)).toBe(true);
  await token.fill(` ${server.token}\n`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Linked device', level: 1 }).waitFor();
  expect(new URL(page.url()).search).toBe('?from=mail');
  await page.getByRole('button', { name: 'administrator' }).waitFor();

  // The token is nowhere but in the server's hands.
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  expect(stored).not.toContain('fma_');
  expect([...watch.requests, ...watch.console].join('\n')).not.toContain(server.token);
  await page.goBack();
  expect(page.url()).not.toContain('/sign-in');
});

test('a wrong token is said at the field, and the next try may be right', async ({ open, server }) => {
  const { page, visit } = await open({ signedIn: false });
  await visit('/audit');
  const token = page.getByLabel('Administrator token');
  await token.fill('fma_wrong');
  await token.press('Enter');
  await page.getByText('This is not the administrator token of this server.').first().waitFor();
  expect(await token.getAttribute('aria-invalid')).toBe('true');
  const described = await token.evaluate((input) =>
    (input.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent),
  );
  expect(described.join(' ')).toContain('fleetmint-data/admin-token');
  expect(described.join(' ')).toContain('This is not the administrator token');
  const spoken = page.locator('[aria-live="polite"]');
  expect(await spoken.textContent()).toContain('This is not the administrator token');
  expect(await violations(page)).toEqual([]);
  await token.fill(server.token);
  await token.press('Enter');
  await page.getByRole('heading', { name: 'Audit', level: 1 }).waitFor();
  expect(await spoken.textContent()).toBe('');
});

test('a server that cannot be reached is said as such', async ({ open, server }) => {
  const { page, visit, watch } = await open({ signedIn: false });
  await visit('/sign-in');
  watch.expect(/ERR_INTERNET_DISCONNECTED/);
  await page.context().setOffline(true);
  await page.getByLabel('Administrator token').fill(server.token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('The server cannot be reached').waitFor();
  await page.context().setOffline(false);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'administrator' }).waitFor();
});

test('many wrong tokens slow the answers down, and the page says why', async ({ open }) => {
  const strict = await Server.start({ FLEETMINT_ACCESS__REFUSALS_PER_MINUTE: '2' });
  try {
    const { page, visit } = await open({ server: strict, signedIn: false });
    await visit('/sign-in');
    const token = page.getByLabel('Administrator token');
    for (let tries = 0; tries < 3; tries += 1) {
      await token.fill(`fma_wrong${tries}`);
      await token.press('Enter');
      await page.getByText('This is not the administrator token').first().waitFor();
      await page.getByRole('button', { name: 'Sign in', exact: true }).and(page.locator(':enabled')).waitFor();
    }
    await page.getByText('each answer takes a second longer').waitFor();
    await token.fill(strict.token);
    await token.press('Enter');
    await page.getByRole('heading', { name: 'First steps', level: 1 }).waitFor();
    await settled(page);
  } finally {
    await strict.stop();
  }
});

test('signs out, and then nothing is shown any more', async ({ open }) => {
  const { page, visit } = await open();
  await visit('/settings');
  await page.getByRole('button', { name: 'administrator' }).click();
  await page.getByText('Signed in as administrator').waitFor();
  expect(await violations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
  await visit('/settings');
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
  expect(await page.getByRole('navigation').getByRole('link').allTextContents()).toEqual(['NVS inspector']);
});

test('an expired session is renewed above the form that was filled in, and the call is repeated', async ({
  open,
  server,
}) => {
  const model = await server.createModel({ code: 'expired', name: 'Expired' });
  const { page, visit } = await open();
  await visit(`/devices?model=${model.id}`);
  await page.getByRole('button', { name: 'New device' }).click();
  const form = page.getByRole('dialog', { name: 'New device' });
  await form.getByLabel('Name').fill('Typed before it expired');
  await page.context().clearCookies();
  await form.getByRole('button', { name: 'Create' }).click();

  const again = page.getByRole('dialog', { name: 'Sign in again' });
  await again.waitFor();
  expect(await violations(page)).toEqual([]);
  await again.getByLabel('Administrator token').fill('fma_wrong');
  await again.getByRole('button', { name: 'Sign in' }).click();
  await again.getByText('This is not the administrator token of this server.').first().waitFor();
  await again.getByLabel('Administrator token').fill(server.token);
  await again.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Typed before it expired', level: 1 }).waitFor();
});

test('whoever does not sign in again is led to the sign-in, and back', async ({ open, server }) => {
  const model = await server.createModel({ code: 'left', name: 'Left' });
  const { page, visit } = await open();
  await visit('/models');
  await page.context().clearCookies();
  await page.getByRole('link', { name: 'Left', exact: true }).click();
  await page.getByRole('dialog', { name: 'Sign in again' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
  await page.getByLabel('Administrator token').fill(server.token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Left', level: 1 }).waitFor();
  expect(new URL(page.url()).pathname).toBe(`/models/${model.id}`);
});

test('by keyboard alone', async ({ open, server }) => {
  const { page, visit } = await open({ signedIn: false });
  await visit('/boards');
  await page.keyboard.type(server.token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Boards', level: 1 }).waitFor();
  await press(page, 'link', 'Skip to the content');
  await press(page, 'link', 'Devices');
  await page.getByRole('heading', { name: 'Devices', level: 1 }).waitFor();
  // The heading of the new view has the focus: a screen reader reads it, and Tab goes on from there.
  expect(await page.evaluate(() => document.activeElement?.localName)).toBe('h1');
  await type(page, 'Search devices', 'nothing like it', 'searchbox');
  await page.getByText('No device matches.').waitFor();
  await press(page, 'button', /administrator/);
  await press(page, 'button', 'Sign out');
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
});

test('in the browser’s language, until another is chosen', async ({ open }) => {
  const { page, visit } = await open({ signedIn: false, locale: 'de-AT' });
  await visit('/sign-in');
  await page.getByRole('heading', { name: 'Anmelden', level: 1 }).waitFor();
  expect(await page.locator('html').getAttribute('lang')).toBe('de');
  await page.getByRole('button', { name: 'Deutsch' }).click();
  await page.getByLabel('Sprache').selectOption('en');
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
  await page.reload();
  await settled(page);
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
  expect(await page.locator('html').getAttribute('lang')).toBe('en');
});

test('an address that is no view says so, also without a session', async ({ open }) => {
  const { page, visit } = await open({ signedIn: false });
  await visit('/sign-in');
  await page.evaluate(() => history.pushState(null, '', '/nowhere'));
  await page.evaluate(() => dispatchEvent(new PopStateEvent('popstate')));
  await page.getByRole('heading', { name: 'Not found', level: 1 }).waitFor();
  expect(await violations(page)).toEqual([]);
});

test('a mistyped address in the address bar shows the page, which says so', async ({ open, server }) => {
  // Of the program itself: its status is what counts.
  const program = Object.create(server, { url: { value: server.program } }) as Server;
  const { page, watch } = await open({ server: program, signedIn: false });
  watch.expect(/status of 404 .*\/nowhere/);
  const answer = await page.goto('/nowhere');
  expect(answer?.status()).toBe(404);
  await page.getByRole('heading', { name: 'Not found', level: 1 }).waitFor();
  expect(await violations(page)).toEqual([]);
  await page.getByRole('link', { name: 'Go to the start' }).click();
  await page.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
});
